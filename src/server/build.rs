//! Compiles the protocol files without needing `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const ROOT: &str = "../../proto";
    const FILES: [&str; 1] = ["orchestrator/log/v1/entry.proto"];
    println!("cargo::rerun-if-changed={ROOT}");
    let descriptors = protox::compile(FILES, [ROOT])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
