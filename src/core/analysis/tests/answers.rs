//! x
#[test]
fn dump() {
    let mut out = String::from("{");
    for case in super::fixtures::cases() {
        let told = super::fixtures::told(&super::analyze(&super::Stage::of(&case.drawing).scene(), &case.policy));
        out.push_str(&format!("{:?}: {:?},\n", case.place.split(' ').next().unwrap(), told));
    }
    out.push_str("\"\":\"\"}");
    std::fs::write("/tmp/actual.json", out).unwrap();
}
