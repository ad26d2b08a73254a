//! Builds the library that is preloaded into observed programs: see `preload/lib.rs`.

use std::env::var;
use std::error::Error;
use std::path::Path;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=preload");
    println!("cargo::rustc-check-cfg=cfg(vx_preload)");
    let library = Path::new(&var("OUT_DIR")?).join("preload.so");
    let is_known = matches!(&*var("CARGO_CFG_TARGET_ARCH")?, "x86_64" | "aarch64");
    if var("CARGO_CFG_TARGET_OS")? != "linux" || !is_known {
        return Ok(std::fs::write(library, "")?);
    }
    let mut rustc = Command::new(var("RUSTC")?);
    rustc.args([
        "--crate-name",
        "vx_preload",
        "--crate-type",
        "cdylib",
        "--edition",
        "2024",
    ]);
    rustc.args(["--cfg", "vx_preload", "--target", &var("TARGET")?]);
    rustc.args(["-Cpanic=abort", "-Copt-level=3", "-Ccodegen-units=1", "-Cstrip=symbols"]);
    // Symbols of libc are looked for in the program; that it has none must not stop it.
    rustc.args(["-Clink-arg=-nostdlib", "-Clink-arg=-Wl,-z,now"]);
    if let Ok(linker) = var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    rustc.args(["preload/lib.rs", "-o"]).arg(library);
    let status = rustc.status()?;
    if !status.success() {
        return Err(format!("cannot build the library that is preloaded: `{rustc:?}` failed").into());
    }
    Ok(())
}
