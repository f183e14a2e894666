//! Compiles `protos/` with protox, which needs no `protoc` on the machine.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=protos");
    let descriptors = protox::compile(["protos/remote_write.proto"], ["protos"])?;
    prost_build::compile_fds(descriptors)?;
    Ok(())
}
