//! Compiles the protocol with protox, so that no `protoc` is needed.

use std::path::{Path, PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets it")?).join("../../proto");
    let files =
        ["coordinator.proto", "task.proto", "worker.proto"].map(|name| root.join("distrack/v1").join(name));
    for file in &files {
        println!("cargo:rerun-if-changed={}", file.display());
    }
    let descriptors = protox::compile(&files, [&root])?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets it")?);
    std::fs::write(out.join("distrack.bin"), descriptors.encode_to_vec())?;
    // `Debug` of it and of what is in it is written by hand: the generated one would show secrets.
    tonic_prost_build::configure()
        .bytes(".")
        .skip_debug([".distrack.v1.Command"])
        .compile_fds(descriptors)?;
    Ok(())
}
