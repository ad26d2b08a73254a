//! What build scripts and macros are kept from, what they are granted, and machines that refuse to contain them.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::net::TcpListener;
use std::process::Command;

use harness::{Outcome, TestEnv};

/// A package whose build script does this, and whose program prints what the script has set `SAID` to.
fn package(script: &str) -> TestEnv {
    let env = TestEnv::new();
    env.write(
        "Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    env.write(
        "build.rs",
        &format!("fn main() {{ let said = {{ {script} }};\nprintln!(\"cargo::rustc-env=SAID={{said}}\"); }}"),
    );
    env.write("src/main.rs", "fn main() { println!(\"{}\", env!(\"SAID\")); }");
    env
}

/// A script that listens to what a port says.
fn listening(listener: &TcpListener) -> String {
    let port = listener.local_addr().unwrap().port();
    format!(
        "use std::io::Read; let mut said = String::new();
         std::net::TcpStream::connect((\"127.0.0.1\", {port})).unwrap().read_to_string(&mut said).unwrap(); said"
    )
}

/// Says `text` to whoever connects, as long as the test runs.
fn speaker(text: &'static str) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let accepting = listener.try_clone().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = accepting.accept() {
            std::io::Write::write_all(&mut stream, text.as_bytes()).unwrap();
        }
    });
    listener
}

/// Builds where no user namespaces can be made.
fn build_uncontained(env: &TestEnv) -> Outcome {
    // What this test logs to cannot be opened from there.
    let build = env.vx(["build"]).env_remove("VX_LOG_FILE").into_command();
    let mut refused = Command::new("unshare");
    refused.args([
        "-Ur",
        "sh",
        "-c",
        "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"",
    ]);
    refused.arg(build.get_program()).args(build.get_args());
    refused.current_dir(build.get_current_dir().unwrap()).env_clear();
    refused.envs(build.get_envs().filter_map(|(name, value)| Some((name, value?))));
    refused.stdin(std::process::Stdio::null());
    Outcome::from(refused.output().unwrap())
}

#[test]
fn a_script_changes_nothing_but_its_outputs_and_its_own_package() {
    let env = package(
        r#"
        let home = std::env::var("HOME").unwrap();
        let out = std::env::var("OUT_DIR").unwrap();
        let tried = [format!("{home}/.profile"), "../beside".to_owned(), "member/x".to_owned(), ".vx/x".to_owned(),
            "/tmp/x".to_owned(), "made".to_owned(), format!("{out}/x")];
        let made = tried.map(|path| u8::from(std::fs::write(path, "").is_ok()).to_string());
        let secrets = std::fs::read_to_string(format!("{home}/.netrc")).unwrap();
        let keys = std::fs::read_dir(format!("{home}/.ssh")).unwrap().count();
        format!("{} {} {keys}", made.concat(), secrets.len())
        "#,
    );
    env.write(
        "Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\nmembers = [\"member\"]\n\
         [dependencies]\nmember.path = \"member\"\n",
    );
    env.write(
        "member/Cargo.toml",
        "[package]\nname = \"member\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    env.write("member/src/lib.rs", "");
    let user = env.root().join("user");
    harness::files::write(&user.join(".netrc"), "password");
    harness::files::write(&user.join(".ssh/id"), "key");
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "0000111 0 0\n");
    assert!(!user.join(".profile").exists() && !env.root().join("beside").exists());
    assert!(env.project().join("made").exists());
}

#[test]
fn a_script_that_fails_without_the_network_gets_it_and_says_so() {
    let listener = speaker("hello");
    let env = package(&listening(&listener));
    let first = env.vx(["build"]).run().success();
    assert!(
        first.stderr.contains("warning: `app` (build script) needs the network"),
        "{first}"
    );
    assert!(!first.stderr.contains("panicked"), "{first}");
    assert_eq!(env.run_program("debug/app"), "hello\n");
    // What was granted is remembered. What a process of this machine answers is asked again in each build.
    env.write("src/main.rs", "fn main() { println!(\"{}!\", env!(\"SAID\")); }");
    assert_eq!(env.build(&[]).ran, 2);
    assert_eq!(env.build(&[]).ran, 1);
    let other = env.checkout("other");
    let second = env.counted_in(&other, &[]);
    assert!(second.counts().ran >= 1 && !second.stderr.contains("needs"), "{second}");
}

#[test]
fn a_strict_build_refuses_what_the_settings_do_not_grant() {
    let listener = speaker("hello");
    let env = package(&listening(&listener));
    let refused = env.vx(["build", "--strict"]).run();
    assert!(!refused.status.success());
    for part in [
        "needs the network, which it is not granted",
        "[sandbox.packages.app]",
        "network = true",
    ] {
        assert!(refused.stderr.contains(part), "{refused}");
    }
    env.write(
        ".vx.toml",
        "[sandbox]\nstrict = true\n[sandbox.packages.app]\nnetwork = true\n",
    );
    assert!(!env.counted(&[]).stderr.contains("needs"));
    assert_eq!(env.run_program("debug/app"), "hello\n");
    env.remove(".vx.toml");
    env.write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace.metadata.vx.sandbox]\nstrict = true\n");
    assert!(!env.vx(["build"]).run().status.success());
}

#[test]
fn a_script_that_takes_too_much_is_stopped() {
    let cases = [
        (
            // `tail` keeps a line without an end.
            r#"std::process::Command::new("sh").args(["-c", "head -c 300000000 /dev/zero | tail"]).status()"#,
            ["took more than 64.0 MiB of memory", "set `memory` in `[sandbox]`"],
        ),
        (
            r#"std::fs::write(std::env::var("OUT_DIR").unwrap() + "/large", vec![1; 70 << 20])"#,
            ["wrote more than 64.0 MiB", "set `disk` in `[sandbox]`"],
        ),
        (
            r#"std::io::Write::write_all(&mut std::io::stdout(), &vec![b'x'; 140 << 20])"#,
            [
                "printed more than 128.0 MiB",
                "build script of `app` (build script) was stopped",
            ],
        ),
    ];
    for (number, (taking, told)) in cases.into_iter().enumerate() {
        let env = package(&format!(
            "let _ = {taking};\nstd::thread::sleep(std::time::Duration::from_secs(3600));\n0"
        ));
        let limit = if number == 0 { "memory" } else { "disk" };
        env.write(".vx.toml", &format!("[sandbox]\n{limit} = \"64MiB\"\n"));
        let stopped = env.vx(["build"]).run();
        assert!(!stopped.status.success());
        for part in told {
            assert!(stopped.stderr.contains(part), "{stopped}");
        }
        env.write("build.rs", "fn main() { println!(\"cargo::rustc-env=SAID=little\"); }");
        env.build(&[]);
        assert_eq!(env.run_program("debug/app"), "little\n");
    }
}

#[test]
fn a_script_that_writes_to_a_cache_in_the_home_gets_that_alone() {
    let env = package(
        r#"
        let home = std::env::var("HOME").unwrap();
        std::fs::create_dir(format!("{home}/.cache/tool")).unwrap();
        std::fs::write(format!("{home}/.profile"), "").is_ok()
        "#,
    );
    let cache = env.root().join("user/.cache");
    std::fs::create_dir(&cache).unwrap();
    let built = env.vx(["build"]).run().success();
    assert!(built.stderr.contains("needs to write to `"), "{built}");
    assert_eq!(env.run_program("debug/app"), "false\n");
    assert!(cache.join("tool").is_dir());
}

#[test]
fn what_nobody_may_change_fails_with_its_name() {
    let env = package(
        r#"
        let home = std::env::var("CARGO_HOME").unwrap();
        std::fs::write(format!("{home}/config.toml"), "").unwrap();
        0
        "#,
    );
    let failed = env.vx(["build"]).run();
    assert!(!failed.status.success());
    let named = failed
        .stderr
        .contains(".cargo/config.toml`, which code of packages may not");
    assert!(named, "{failed}");
}

#[test]
fn a_machine_that_refuses_is_told_once_and_shares_no_results_with_others() {
    let env = package("std::process::id() != 1");
    let refused = build_uncontained(&env).success();
    assert_eq!(
        refused
            .stderr
            .matches("warning: this machine refuses to contain")
            .count(),
        1,
        "{refused}"
    );
    assert_eq!(env.run_program("debug/app"), "true\n");
    let again = build_uncontained(&env).success();
    assert!(!again.stderr.contains("refuses"), "{again}");
    env.vx(["kill"]).run().success();
    // Contained, the script has another key.
    assert_eq!(env.build(&[]).ran, 2);
    assert_eq!(env.run_program("debug/app"), "false\n");
}
