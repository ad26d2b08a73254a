//! From what is asked for to a toolchain, on a machine with and without rustup.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use vx_toolchain::{Caller, KnownToolchains, Toolchain, ToolchainError, obtain};

use crate::world::{HOST, MODEL, World};

/// A user's environment and project.
struct User {
    world: World,
    environment: BTreeMap<String, String>,
}

impl User {
    /// Nothing on `PATH`, no rustup, and a project without a toolchain file.
    fn new() -> Self {
        let world = World::new();
        fs::create_dir_all(world.path("project")).unwrap();
        let variables = [
            ("PATH", world.path("bin")),
            ("HOME", world.path("home")),
            ("RUSTUP_HOME", world.path("rustup")),
        ];
        let environment = variables.map(|(name, value)| (name.to_owned(), value.to_string()));
        Self {
            world,
            environment: environment.into(),
        }
    }

    /// rustup with a `stable` that has no sources.
    fn with_rustup(self) -> Self {
        let toolchain = self.world.path(&format!("rustup/toolchains/stable-{HOST}"));
        fs::create_dir_all(toolchain.join("bin")).unwrap();
        for name in ["bin/rustc", "bin/cargo", "release"] {
            symlink(format!("{MODEL}/{name}"), toolchain.join(name)).unwrap();
        }
        let library = format!("lib/rustlib/{HOST}/lib");
        fs::create_dir_all(toolchain.join(&library)).unwrap();
        symlink(
            format!("{MODEL}/{library}/libstd.rlib"),
            toolchain.join(library).join("libstd.rlib"),
        )
        .unwrap();
        fs::write(toolchain.join("lib/rustlib/components"), format!("rustc-{HOST}\n")).unwrap();
        let settings = format!("default_toolchain = \"stable\"\ndefault_host_triple = \"{HOST}\"\n");
        fs::write(self.world.path("rustup/settings.toml"), settings).unwrap();
        self
    }

    fn with_file(self, text: &str) -> Self {
        fs::write(self.world.path("project/rust-toolchain.toml"), text).unwrap();
        self
    }

    async fn obtain(&self) -> Result<Toolchain, ToolchainError> {
        let directory = self.world.path("project");
        let caller = Caller {
            directory: &directory,
            environment: &self.environment,
            plus: None,
            targets: &[],
        };
        let known = KnownToolchains::new(&self.world.path("known"));
        let status = |verb: &str, text: String| self.world.tell(verb, text);
        obtain(caller, &self.world.store(), &known, &status).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_rust_gets_what_the_file_names() {
    let user = User::new().with_file("[toolchain]\nchannel = \"1.1.1\"\ncomponents = [\"rust-src\"]\n");
    let toolchain = user.obtain().await.unwrap();
    assert_eq!(
        (toolchain.name, toolchain.release.as_str()),
        (format!("1.1.1-{HOST}"), "1.1.1")
    );
    assert!(toolchain.sysroot.starts_with(user.world.downloads()));
    assert!(toolchain.sysroot.join("lib/rustlib/src").is_dir());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_rust_gets_stable_where_nothing_asks() {
    let user = User::new();
    assert_eq!(user.obtain().await.unwrap().name, format!("stable-{HOST}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_path_is_enough_where_nothing_asks() {
    let mut user = User::new();
    user.environment.insert("PATH".to_owned(), format!("{MODEL}/bin"));
    assert_eq!(user.obtain().await.unwrap().name, "rustc on PATH");
    assert_eq!(user.world.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installed_toolchain_that_fits_is_used_where_it_is() {
    let user = User::new().with_rustup();
    let toolchain = user.obtain().await.unwrap();
    assert!(toolchain.sysroot.starts_with(user.world.path("rustup")));
    assert_eq!(user.world.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installed_toolchain_that_lacks_something_is_replaced_by_a_whole_one() {
    let user = User::new().with_rustup();
    let user = user.with_file("[toolchain]\nchannel = \"stable\"\ncomponents = [\"rust-src\"]\n");
    let toolchain = user.obtain().await.unwrap();
    assert!(toolchain.sysroot.starts_with(user.world.downloads()));
    let installed = user
        .world
        .path(&format!("rustup/toolchains/stable-{HOST}/lib/rustlib/src"));
    assert!(!installed.exists(), "what rustup has installed stays as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_toolchain_has_the_same_identity_installed_and_acquired() {
    let user = User::new().with_rustup();
    let installed = user.obtain().await.unwrap();
    let user = user.with_file("[toolchain]\nchannel = \"1.1.1\"\n");
    let acquired = user.obtain().await.unwrap();
    assert_ne!(installed.sysroot, acquired.sysroot);
    assert_eq!(installed.identity, acquired.identity);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_toolchain_that_nobody_has_is_told_with_who_asked() {
    let user = User::new().with_file("[toolchain]\nchannel = \"1.80.0\"\n");
    let error = user.obtain().await.unwrap_err();
    assert!(error.to_string().contains("rust-toolchain.toml"), "{error}");
    assert!(matches!(error, ToolchainError::Acquire { .. }), "{error:?}");

    let user = User::new().with_file("[toolchain]\nchannel = \"stage1\"\n");
    let error = user.obtain().await.unwrap_err();
    assert!(matches!(error, ToolchainError::NoRustup { .. }), "{error:?}");
}
