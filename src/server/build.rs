//! Compiles the protocol files without needing `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const ROOT: &str = "../../proto";
    println!("cargo::rerun-if-changed={ROOT}");
    let entries = protox::compile(["orchestrator/log/v1/entry.proto"], [ROOT])?;
    prost_build::Config::new().compile_fds(entries)?;
    let calls = protox::compile(["orchestrator/raft/v1/peer.proto"], [ROOT])?;
    tonic_prost_build::configure()
        .bytes(".orchestrator.raft.v1")
        .compile_fds(calls)?;
    Ok(())
}
