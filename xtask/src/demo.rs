//! `cargo xtask try`: a published program built by vx from nothing, run, and built again in a second checkout, where no
//! compiler may start. All in a temporary directory, which is gone afterwards.

use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use camino::Utf8Path;
use clap::Args;

use crate::published::{self, Release};
use crate::sandbox::Sandbox;
use crate::{program, workspace};

/// What to build.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Published programs to build
    #[arg(value_name = "NAME@VERSION", default_value = "ripgrep@15.2.0")]
    releases: Vec<Release>,
    /// Build with the release profile
    #[arg(short, long)]
    release: bool,
}

/// Builds and runs each program.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let vx = workspace::release_vx()?;
    let scratch = tempfile::tempdir().context("cannot make a temporary directory")?;
    let scratch = Utf8Path::from_path(scratch.path()).context("the path of the temporary directory is not UTF-8")?;
    let sandbox = Sandbox::new(&vx, scratch.join("home"), scratch.join("downloads"));
    for (number, release) in arguments.releases.iter().enumerate() {
        let directory = scratch.join(format!("project-{number}"));
        release.fetch(&directory.join("first"))?;
        show(&sandbox, &directory, arguments.release)?;
    }
    Ok(())
}

fn show(sandbox: &Sandbox, directory: &Utf8Path, release: bool) -> Result<()> {
    let (first, second) = (directory.join("first"), directory.join("second"));
    published::copy_tree(&first, &second)?;
    let options: &[&str] = if release { &["--release"] } else { &[] };

    eprintln!("\nwith an empty store:");
    program::run(sandbox.vx().arg("build").args(options).current_dir(&first))?;
    let name = published::program_of(&first)?.name;
    let profile = if release { "release" } else { "debug" };
    let built = |checkout: &Utf8Path| checkout.join(".vx/build").join(profile).join(&name);
    program::run(program::isolated(built(&first)).arg("--version"))?;

    eprintln!("\nunchanged, and in a second checkout, from the store:");
    without_compiler(sandbox, options, &first)?;
    without_compiler(sandbox, options, &second)?;
    program::run(program::isolated(built(&second)).arg("--version"))
}

/// Builds where every result is known already; fails where anything ran all the same.
fn without_compiler(sandbox: &Sandbox, options: &[&str], checkout: &Utf8Path) -> Result<()> {
    let mut build = sandbox.vx();
    build.arg("build").args(options).current_dir(checkout);
    eprintln!("$ {}", program::display(&build));
    let started = Instant::now();
    let output = build.output().context("cannot start vx")?;
    let messages = String::from_utf8_lossy(&output.stderr);
    eprint!("{messages}");
    eprintln!("({:.3} s wall clock)", started.elapsed().as_secs_f64());
    if !output.status.success() {
        bail!("vx build: {}", output.status);
    }
    if !messages.contains("(0 ran, ") {
        bail!("a compiler was started although nothing changed");
    }
    Ok(())
}
