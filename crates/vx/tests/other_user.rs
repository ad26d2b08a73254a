//! What another user of the machine tries.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output};

use camino::{Utf8Path, Utf8PathBuf};
use harness::{TestEnv, is_uds_profile};

/// `nobody`, in most systems. Nothing here belongs to that user.
const OTHER: u32 = 65534;

struct OtherUser {
    vx: Utf8PathBuf,
    home: Utf8PathBuf,
}

impl OtherUser {
    /// A user who can go everywhere in the world of the test but where vx forbids it.
    fn new(env: &TestEnv) -> Self {
        let other = Self {
            vx: env.root().join("vx"),
            home: env.root().join("other"),
        };
        open_up(env.root());
        fs::copy(env!("CARGO_BIN_EXE_vx"), &other.vx).unwrap();
        fs::create_dir(&other.home).unwrap();
        std::os::unix::fs::chown(&other.home, Some(OTHER), Some(OTHER)).unwrap();
        other
    }

    fn run(&self, program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().current_dir(&self.home);
        command.env("HOME", &self.home).env("PATH", "/usr/bin:/bin");
        command.envs(environment.iter().copied());
        command.uid(OTHER).gid(OTHER).output().unwrap()
    }

    fn can(&self, program: &str, arguments: &[&str]) -> bool {
        self.run(program, arguments, &[]).status.success()
    }
}

fn open_up(directory: &Utf8Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn another_user_reaches_neither_services_nor_what_they_keep() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("only the superuser can be another user: nothing was tried");
        return;
    }
    let env = TestEnv::with_fixture("hello");
    env.build(&[]);
    let other = OtherUser::new(&env);
    let vx = other.vx.as_str();
    assert!(other.can(vx, &["--version"]) && other.can("ls", &[env.root().as_str()]));

    // Once as vx makes its home, and once in a home that everybody may enter.
    for is_open in [false, true] {
        if is_open {
            open_up(&env.home());
            assert!(other.can("ls", &[env.home().as_str()]));
        }
        for path in [
            "run",
            "run/token",
            "run/daemon.json",
            "log",
            "cas",
            "cas/index.redb",
            "cas/blobs",
        ] {
            let path = env.home().join(path);
            assert!(path.exists(), "{path}");
            let program = if path.is_dir() { "ls" } else { "cat" };
            assert!(!other.can(program, &[path.as_str()]), "{path} can be read");
            assert!(!other.can("touch", &[path.as_str()]), "{path} can be written");
        }
        assert!(!other.can("touch", &[env.home().join("planted").as_str()]));
        let endpoints = env.endpoints();
        let home = env.home();
        let named = [("VX_HOME", home.as_str()), ("VX_DAEMON", &endpoints.daemon)];
        for order in ["status", "kill"] {
            let answer = other.run(vx, &[order], &named);
            assert!(!answer.status.success(), "{order}: {answer:?}");
        }
        // With a home and a token of their own, another user finds the endpoint taken.
        let own = other.home.join("home");
        let answer = other.run(
            vx,
            &["status"],
            &[("VX_HOME", own.as_str()), ("VX_DAEMON", &endpoints.daemon)],
        );
        assert!(
            !String::from_utf8_lossy(&answer.stdout).contains(env.home().as_str()),
            "{answer:?}"
        );
        if is_uds_profile() {
            let socket = endpoints.daemon.strip_prefix("unix:").unwrap();
            assert!(!other.can("test", &["-e", socket]));
        }
    }
    assert_eq!(env.build(&[]).ran, 0);
}
