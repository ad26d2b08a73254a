//! The life of the services: one of each per home, found, started, replaced, stopped, and gone when they are killed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use harness::{Outcome, Process, TestEnv, is_uds_profile};
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// How long anything may take to be gone.
const GONE: Duration = Duration::from_secs(2);

/// A project whose build script stops at a gate until the test opens it: `gate` names a directory with two pipes.
struct Gated {
    env: TestEnv,
}

impl Gated {
    fn new() -> Self {
        let env = TestEnv::new();
        env.write("Cargo.toml", "[package]\nname = \"gated\"\nedition = \"2024\"\n");
        env.write("src/main.rs", "fn main() {\n    println!(\"through\");\n}\n");
        env.write(
            "build.rs",
            r#"
fn main() {
    println!("cargo::rerun-if-changed=gate");
    if let Ok(gate) = std::fs::read_to_string("gate") {
        let held = std::process::Command::new("sleep").arg("1000").spawn();
        std::fs::write(format!("{gate}/arrived"), "").unwrap();
        std::fs::read(format!("{gate}/open")).unwrap();
        drop(held);
    }
}
"#,
        );
        for pipe in ["arrived", "open"] {
            let path = env.root().join(pipe);
            mknodat(CWD, path.as_std_path(), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        }
        env.write("gate", env.root().as_str());
        Self { env }
    }

    /// Begins a build and returns when its build script, with a child of its own, waits at the gate.
    fn begin(&self) -> Child {
        let mut command = self.env.vx(["build"]).into_command();
        let build = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Opening the pipe for reading waits for the script to open it for writing.
        fs::read(self.env.root().join("arrived")).unwrap();
        build
    }

    /// Takes the gate away and builds: whatever was done before, this must be good.
    fn builds_without_gate(&self) {
        if self.env.project().join("gate").exists() {
            self.env.remove("gate");
        }
        self.env.vx(["build"]).run().success();
        assert_eq!(self.env.run_program("debug/gated"), "through\n");
    }

    fn service(&self, name: &str) -> Process {
        find(&self.env, name).unwrap_or_else(|| panic!("no {name}: {:#?}", self.env.processes()))
    }

    /// The build script and what it started.
    fn scripts(&self) -> Vec<Process> {
        let of_action =
            |process: &Process| !process.command.contains("vx __") && !process.command.contains("/vx build");
        self.env.processes().into_iter().filter(of_action).collect()
    }
}

fn find(env: &TestEnv, name: &str) -> Option<Process> {
    env.processes()
        .into_iter()
        .find(|process| process.command.contains(name))
}

#[track_caller]
fn assert_gone(processes: &[Process]) {
    let deadline = Instant::now() + GONE;
    for process in processes {
        assert!(process.ends_before(deadline), "{process:?} is still there");
    }
}

fn finish(build: Child) -> Outcome {
    Outcome::from(build.wait_with_output().unwrap())
}

#[test]
fn twenty_builds_at_once_start_one_of_each_service() {
    let env = TestEnv::with_fixture("hello");
    let start = || {
        let mut command = env.vx(["build"]).into_command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let builds: Vec<Child> = (0..20).map(|_| start()).collect();
    for build in builds {
        finish(build).success();
    }
    let commands: Vec<String> = env.processes().into_iter().map(|process| process.command).collect();
    for service in ["__daemon", "__casd", "__execd"] {
        let count = commands.iter().filter(|command| command.contains(service)).count();
        assert_eq!(count, 1, "{service}: {commands:#?}");
    }
    assert_eq!(env.started(), 1, "the same action ran more than once");
}

#[test]
fn kill_ends_builds_children_and_services() {
    let gated = Gated::new();
    let build = gated.begin();
    let before = gated.env.processes();
    let began = Instant::now();
    gated.env.vx(["kill"]).run().success();
    assert!(began.elapsed() < GONE, "{:?}", began.elapsed());
    assert!(!finish(build).status.success());
    assert_gone(&before);
    let published: Vec<_> = fs::read_dir(gated.env.home().join("run")).unwrap().flatten().collect();
    let published = published.iter().map(|entry| entry.file_name().into_string().unwrap());
    let left: Vec<String> = published
        .filter(|name| name.ends_with(".json") || name.ends_with(".sock"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    gated.builds_without_gate();
}

#[test]
fn kill_succeeds_when_nothing_runs() {
    let env = TestEnv::new();
    env.vx(["kill"]).run().success();
    env.vx(["kill"]).run().success();
}

#[test]
fn a_client_that_is_killed_takes_its_build_with_it_and_no_service() {
    let gated = Gated::new();
    let mut build = gated.begin();
    let scripts = gated.scripts();
    assert!(scripts.len() >= 2, "the script and its child: {scripts:?}");
    build.kill().unwrap();
    build.wait().unwrap();
    assert_gone(&scripts);
    assert!(find(&gated.env, "__daemon").is_some());
    gated.builds_without_gate();
}

#[test]
fn a_killed_daemon_takes_everything_with_it() {
    let gated = Gated::new();
    let build = gated.begin();
    let before = gated.env.processes();
    gated.service("__daemon").kill();
    let outcome = finish(build);
    assert!(!outcome.status.success(), "{outcome}");
    assert_gone(&before);
    gated.builds_without_gate();
}

#[test]
fn a_killed_executor_fails_the_build_and_takes_its_processes_with_it() {
    let gated = Gated::new();
    let build = gated.begin();
    let scripts = gated.scripts();
    gated.service("__execd").kill();
    let outcome = finish(build);
    assert!(!outcome.status.success(), "{outcome}");
    assert!(outcome.stderr.contains("executor"), "{outcome}");
    assert_gone(&scripts);
    gated.builds_without_gate();
}

#[test]
fn a_killed_store_fails_the_build_and_the_next_one_is_good() {
    let gated = Gated::new();
    let mut build = gated.begin();
    let scripts = gated.scripts();
    gated.service("__casd").kill();
    // The build may wait for its script before it misses the store.
    build.kill().unwrap();
    build.wait().unwrap();
    assert_gone(&scripts);
    gated.builds_without_gate();
}

#[test]
fn one_build_ends_and_the_other_goes_on() {
    let gated = Gated::new();
    let mut first = gated.begin();
    let other = gated.env.root().join("other");
    harness::copy_directory(&harness::fixture("hello"), &other);
    first.kill().unwrap();
    first.wait().unwrap();
    gated.env.vx(["build"]).current_dir(&other).run().success();
    gated.builds_without_gate();
}

/// A web server where the daemon should be. It answers one question.
fn stranger(env: &TestEnv) -> impl Drop {
    use std::io::Write as _;
    use std::os::unix::net::UnixListener;

    struct Answering(Option<std::thread::JoinHandle<()>>, String);
    impl Drop for Answering {
        fn drop(&mut self) {
            // Whoever still waits for a question gets one.
            let _ = std::net::TcpStream::connect(&self.1);
            let _ = std::os::unix::net::UnixStream::connect(&self.1);
            let _ = self.0.take().unwrap().join();
        }
    }
    const ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    if is_uds_profile() {
        let path = env.root().join("sockets/daemon.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let answer = move || listener.accept().unwrap().0.write_all(ANSWER).unwrap();
        Answering(Some(std::thread::spawn(answer)), path.into_string())
    } else {
        let address = env.endpoints().daemon.clone();
        let listener = TcpListener::bind(&address).unwrap();
        let answer = move || listener.accept().unwrap().0.write_all(ANSWER).unwrap();
        Answering(Some(std::thread::spawn(answer)), address)
    }
}

#[test]
fn a_port_or_socket_of_a_stranger_is_told() {
    let env = TestEnv::with_fixture("hello");
    let stranger = stranger(&env);
    let outcome = env.vx(["build"]).run();
    assert!(!outcome.status.success(), "{outcome}");
    assert!(outcome.stderr.contains(&env.endpoints().daemon), "{outcome}");
    assert!(outcome.stderr.contains("listens there"), "{outcome}");
    drop(stranger);
}

#[test]
fn the_daemon_of_another_home_is_told_apart() {
    let env = TestEnv::with_fixture("hello");
    env.build(&[]);
    let other = TestEnv::with_fixture("hello");
    let outcome = other.vx(["build"]).env("VX_DAEMON", &env.endpoints().daemon).run();
    assert!(!outcome.status.success(), "{outcome}");
    assert!(outcome.stderr.contains("another VX_HOME"), "{outcome}");
    // And the daemon that was asked is none the worse for it.
    env.vx(["build"]).run().success();
}

#[test]
fn a_home_that_cannot_be_made_is_told() {
    let env = TestEnv::with_fixture("hello");
    let file = env.root().join("file");
    fs::write(&file, "").unwrap();
    let home = file.join("home");
    let outcome = env.vx(["build"]).env("VX_HOME", &home).run();
    assert!(!outcome.status.success(), "{outcome}");
    assert!(outcome.stderr.contains(home.as_str()), "{outcome}");
    assert!(outcome.stderr.contains("VX_HOME"), "{outcome}");
}

#[test]
fn an_idle_daemon_ends_by_itself() {
    let env = TestEnv::with_fixture("hello");
    env.vx(["build"]).env("VX_IDLE_TIMEOUT", "100ms").run().success();
    let deadline = Instant::now() + Duration::from_secs(20);
    for process in env.processes() {
        assert!(process.ends_before(deadline), "{process:?}");
    }
    env.vx(["build"]).run().success();
}

/// A copy of the executable that counts as another version.
fn other_version(env: &TestEnv) -> Utf8PathBuf {
    let copy = env.root().join("vx");
    fs::copy(env!("CARGO_BIN_EXE_vx"), &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    let file = fs::File::options().append(true).open(&copy).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1))
        .unwrap();
    copy
}

fn with_program(env: &TestEnv, program: &Utf8PathBuf) -> Outcome {
    let template = env.vx(["build"]).into_command();
    let mut command = std::process::Command::new(program);
    command.args(template.get_args()).current_dir(env.project()).env_clear();
    command.envs(template.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Outcome::from(command.output().unwrap())
}

#[test]
fn an_idle_daemon_of_another_version_is_replaced() {
    let env = TestEnv::with_fixture("hello");
    env.build(&[]);
    let old = find(&env, "__daemon").unwrap();
    with_program(&env, &other_version(&env)).success();
    assert_gone(&[old]);
    assert!(find(&env, "__daemon").is_some());
}

#[test]
fn a_busy_daemon_of_another_version_is_left_alone() {
    let gated = Gated::new();
    let mut build = gated.begin();
    let daemon = gated.service("__daemon");
    let outcome = with_program(&gated.env, &other_version(&gated.env));
    assert!(!outcome.status.success(), "{outcome}");
    assert!(outcome.stderr.contains("busy"), "{outcome}");
    assert!(!daemon.ends_before(Instant::now()), "it was ended");
    build.kill().unwrap();
    build.wait().unwrap();
}

#[test]
fn a_run_file_of_a_daemon_that_is_gone_is_no_obstacle() {
    let env = TestEnv::with_fixture("hello");
    env.build(&[]);
    let before = env.processes();
    find(&env, "__daemon").unwrap().kill();
    assert_gone(&before);
    assert!(
        env.home().join("run/daemon.json").exists(),
        "nothing was left behind to be stale"
    );
    env.vx(["build"]).run().success();
}

#[test]
fn status_tells_of_services_and_builds() {
    let gated = Gated::new();
    assert!(gated.env.status()["daemon"].is_null());
    let mut build = gated.begin();
    let status = gated.env.status();
    let daemon = &status["daemon"];
    assert_eq!(daemon["services"].as_array().unwrap().len(), 3, "{status:#}");
    assert_eq!(daemon["builds"].as_array().unwrap().len(), 1, "{status:#}");
    assert_eq!(daemon["builds"][0]["workspace"], gated.env.project().as_str());
    build.kill().unwrap();
    build.wait().unwrap();
}
