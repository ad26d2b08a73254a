//! Machines without Rust: the toolchain that the project names is downloaded once, unpacked once, and builds.
//!
//! The server has the toolchain that these tests run with, packed once per machine beside the shared downloads.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use harness::{Process, TestEnv, Vx, download_cache};
use vx_dist_server::{DistServer, Installed, Misbehaviour, Shelf};

/// The programs that no test here may find on `PATH`.
const RUST: [&str; 3] = ["rustc", "cargo", "rustup"];

/// What a linker is called.
const LINKER: &str = "cc";

/// How many machines want the toolchain at once.
const MACHINES: usize = 16;

/// More than vx may hold in memory while it downloads and unpacks a compiler, in KiB: 150 MiB, less the 14 MiB of its own
/// program that an optimised one reads.
const MOST_MEMORY: u64 = (150 - 14) * 1024;

fn installed() -> &'static Installed {
    static INSTALLED: OnceLock<Installed> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let beside = download_cache().with_file_name("vx-packed-toolchain");
        Installed::pack(Utf8Path::from_path(&beside).expect("it is in UTF-8"))
    })
}

/// A server that has the installed toolchain, as a release and as `stable`.
fn server() -> DistServer {
    let installed = installed();
    let official = vx_toolchain::DistServer::official().to_string();
    let mut shelf = Shelf::default();
    installed
        .channel(&official)
        .put_on(&mut shelf, &[&installed.release, "stable"]);
    DistServer::start(shelf)
}

/// A project that names the release, in a home of its own.
fn project() -> TestEnv {
    let env = TestEnv::with_fixture("hello");
    let release = &installed().release;
    env.write(
        "rust-toolchain.toml",
        &format!("[toolchain]\nchannel = \"{release}\"\nprofile = \"minimal\"\n"),
    );
    env
}

/// The same address in every run of the tests, whatever the port of a server: the server is asked as a proxy. Other
/// content has another address.
fn stable_url() -> String {
    let official = vx_toolchain::DistServer::official().to_string();
    let manifest = installed().channel(&official).manifest_checksum();
    format!("http://{}.dist.test", &manifest[..16])
}

/// `vx build` on a machine without Rust.
fn build(env: &TestEnv, server: &DistServer, downloads: &Utf8Path) -> Vx {
    on_bare_machine(env, "build", server, downloads)
}

/// A command of vx on a machine without Rust.
fn on_bare_machine(env: &TestEnv, command: &str, server: &DistServer, downloads: &Utf8Path) -> Vx {
    env.vx(command.split(' '))
        .env_remove("RUSTUP_HOME")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env("PATH", path_without_rust(env.root()))
        .env("VX_DIST_SERVER", stable_url())
        .env("http_proxy", server.url())
        .env("VX_DOWNLOAD_CACHE_DIR", downloads)
}

/// The directories of `PATH` that hold nothing of Rust, and the linker, should it have lain beside it.
fn path_without_rust(root: &Utf8Path) -> String {
    let path = std::env::var("PATH").unwrap();
    let directories: Vec<Utf8PathBuf> = path.split(':').map(Utf8PathBuf::from).collect();
    let is_clean = |directory: &&Utf8PathBuf| RUST.iter().all(|program| !directory.join(program).exists());
    let mut clean: Vec<&str> = directories.iter().filter(is_clean).map(|path| path.as_str()).collect();
    let linker = directories.iter().map(|directory| directory.join(LINKER));
    let linker = linker
        .into_iter()
        .find(|linker| linker.exists())
        .expect("there is a linker");
    let tools = root.join("tools");
    fs::create_dir_all(&tools).unwrap();
    // Several machines of a test may share this directory.
    let _ = symlink(linker, tools.join(LINKER));
    clean.push(tools.as_str());
    clean.join(":")
}

fn downloads_of(env: &TestEnv) -> Utf8PathBuf {
    env.root().join("downloads")
}

fn runs(env: &TestEnv) {
    assert!(!env.run_program("debug/hello").is_empty());
}

fn daemon(env: &TestEnv) -> Process {
    let mut all = env.processes().into_iter();
    all.find(|process| process.command.contains("__daemon"))
        .expect("the daemon runs")
}

/// The largest memory that a process has held so far beside the pages of its program, in KiB.
fn peak_memory(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).unwrap();
    let kib = |name: &str| -> u64 {
        let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        value.trim().trim_end_matches(" kB").parse().unwrap()
    };
    kib("VmHWM:") - kib("RssFile:")
}

/// Toolchains that can be seen in a download cache.
fn toolchains(downloads: &Utf8Path) -> Vec<Utf8PathBuf> {
    let Ok(entries) = downloads.join("toolchains").read_dir_utf8() else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().into_path());
    paths
        .filter(|path| !path.file_name().unwrap_or_default().starts_with('.'))
        .collect()
}

#[test]
fn a_machine_without_rust_builds_what_the_project_names() {
    let (env, server) = (project(), server());
    let shared = Utf8PathBuf::from_path_buf(download_cache()).unwrap();
    build(&env, &server, &shared).run().success();
    runs(&env);

    let requests: u32 = server.requests().values().sum();
    let again = build(&env, &server, &shared).run().success();
    assert_eq!(again.counts().ran, 0);
    // Another home: what the first has made known is enough.
    let other = project();
    build(&other, &server, &shared).args(["--offline"]).run().success();
    runs(&other);
    assert_eq!(
        server.requests().values().sum::<u32>(),
        requests,
        "{:?}",
        server.requests()
    );
}

/// As in the next run of these tests.
#[test]
fn where_the_downloads_are_kept_a_new_home_requests_nothing() {
    let shared = Utf8PathBuf::from_path_buf(download_cache()).unwrap();
    let env = project();
    build(&env, &server(), &shared).run().success();

    let (other, server) = (project(), server());
    let built = build(&other, &server, &shared).run().success();
    runs(&other);
    assert_eq!(server.requests().len(), 0, "{:?}", server.requests());
    assert!(!built.stderr.contains("Download"), "{built}");
}

#[test]
fn what_is_downloaded_is_told_with_its_size() {
    let (env, server) = (project(), server());
    let built = build(&env, &server, &downloads_of(&env)).run().success();
    let downloaded = built.stderr.lines().find(|line| line.contains("Downloaded")).unwrap();
    // A manifest and three components.
    assert!(
        downloaded.contains("4 files, ") && downloaded.contains(" MiB in "),
        "{built}"
    );
    assert!(downloaded.ends_with("/s)"), "{built}");
}

#[test]
fn machines_that_share_their_downloads_download_once() {
    let server = server();
    let machines: Vec<TestEnv> = (0..MACHINES).map(|_| project()).collect();
    // In no machine's own directory: by that a test knows its processes.
    let shared = tempfile::tempdir().unwrap();
    let downloads = Utf8Path::from_path(shared.path()).unwrap().join("downloads");
    std::thread::scope(|scope| {
        for env in &machines {
            scope.spawn(|| {
                build(env, &server, &downloads).run().success();
                runs(env);
            });
        }
    });
    let requests = server.requests();
    assert!(requests.values().all(|count| *count == 1), "{requests:?}");
    assert_eq!(
        requests.len(),
        5,
        "a checksum, a manifest and three components: {requests:?}"
    );
    assert_eq!(toolchains(&downloads).len(), 1);
}

#[test]
fn a_daemon_that_is_killed_in_the_middle_of_a_download_leaves_what_the_next_one_continues() {
    let (env, server) = (project(), server());
    let downloads = downloads_of(&env);
    server.misbehave("rustc-", Misbehaviour::Stall { after: 5_000_000 });
    let mut first = build(&env, &server, &downloads).into_command();
    let mut first = first.stderr(Stdio::null()).spawn().unwrap();
    server.wait_for_stall();
    daemon(&env).kill();
    assert!(!first.wait().unwrap().success());
    assert_eq!(toolchains(&downloads), [""; 0]);

    build(&env, &server, &downloads).run().success();
    runs(&env);
    let peak = peak_memory(&daemon(&env));
    assert!(peak < MOST_MEMORY, "{peak} KiB");
}

#[test]
fn a_daemon_that_is_killed_in_the_middle_of_unpacking_leaves_nothing_half() {
    let (env, server) = (project(), server());
    let downloads = downloads_of(&env);
    let mut first = build(&env, &server, &downloads).into_command();
    let mut first = first.stderr(Stdio::piped()).spawn().unwrap();
    let stderr = BufReader::new(first.stderr.take().unwrap());
    let mut lines = stderr.lines().map(Result::unwrap);
    assert!(
        lines.any(|line| line.contains("Installing")),
        "it says so before it unpacks"
    );
    wait_until_something_is_unpacked(&downloads);
    daemon(&env).kill();
    assert!(!first.wait().unwrap().success());
    assert_eq!(toolchains(&downloads), [""; 0]);

    let requests = server.requests();
    build(&env, &server, &downloads).run().success();
    runs(&env);
    assert_eq!(server.requests(), requests, "what was downloaded is still there");
    let unpacked = downloads.join("toolchains").read_dir_utf8().unwrap();
    let names: Vec<String> = unpacked.map(|entry| entry.unwrap().file_name().to_owned()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

/// Waits until a toolchain is there in part.
fn wait_until_something_is_unpacked(downloads: &Utf8Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let is_partial = |path: &Utf8Path| path.extension() == Some("partial") && path.join("bin").exists();
    while Instant::now() < deadline {
        let entries = downloads.join("toolchains").read_dir_utf8().into_iter().flatten();
        if entries.flatten().any(|entry| is_partial(entry.path())) {
            return;
        }
        std::thread::yield_now();
    }
    panic!("nothing was unpacked in {downloads}");
}

#[test]
fn after_a_fetch_there_is_nothing_left_to_ask_for() {
    let (env, server) = (project(), server());
    let downloads = downloads_of(&env);
    let fetched = on_bare_machine(&env, "fetch", &server, &downloads).run().success();
    assert!(
        fetched.stderr.contains("Fetched everything that a build needs"),
        "{fetched}"
    );
    assert!(!env.project().join(".vx").exists(), "nothing is built");
    assert_eq!(toolchains(&downloads).len(), 1);

    let requests = server.requests();
    build(&env, &server, &downloads).args(["--offline"]).run().success();
    runs(&env);
    assert_eq!(server.requests(), requests);
}

#[test]
fn a_target_that_the_channel_does_not_have_is_told_by_name() {
    let (env, server) = (project(), server());
    let target = ["--target", "wasm32v1-none"];
    let fetch = on_bare_machine(&env, "fetch", &server, &downloads_of(&env)).args(target);
    let outcome = fetch.run().code(5);
    assert!(outcome.stderr.contains("wasm32v1-none"), "{outcome}");
}

#[test]
fn offline_without_the_toolchain_is_told() {
    let (env, server) = (project(), server());
    let outcome = build(&env, &server, &downloads_of(&env))
        .args(["--offline"])
        .run()
        .code(5);
    let release = &installed().release;
    assert!(outcome.stderr.contains(release), "{outcome}");
    assert!(outcome.stderr.contains("rust-toolchain.toml"), "{outcome}");
    assert!(outcome.stderr.contains("without `--offline`"), "{outcome}");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn toolchains_are_installed_listed_found_and_removed() {
    let (env, server) = (project(), server());
    let downloads = downloads_of(&env);
    let vx = |command: &str| on_bare_machine(&env, command, &server, &downloads).run();
    let release = &installed().release;
    assert_eq!(vx("toolchain list").success().stdout, "");
    let missing = vx("toolchain which");
    assert!(!missing.status.success(), "{missing}");
    assert_eq!(server.requests().len(), 0, "whoever asks downloads nothing");

    let told = vx(&format!("toolchain install {release}")).success().stderr;
    assert!(told.contains("Installed"), "{told}");
    let requests = server.requests();
    let listed = vx("toolchain list").success().stdout;
    assert!(
        listed.starts_with(release.as_str()) && listed.ends_with(" from vx (in use)\n"),
        "{listed}"
    );
    let rustc = vx("toolchain which").success().stdout;
    assert!(Utf8Path::new(rustc.trim_end()).starts_with(&downloads), "{rustc}");
    let version = std::process::Command::new(rustc.trim_end()).arg("-V").output().unwrap();
    assert!(String::from_utf8(version.stdout).unwrap().contains(release.as_str()));
    let cargo = vx("toolchain which cargo").success().stdout;
    assert_eq!(cargo.trim_end().rsplit('/').next(), Some("cargo"));
    vx("toolchain which no-such-program").code(2);
    vx("build").success();
    assert_eq!(server.requests(), requests, "what is installed is used");

    vx("toolchain remove nightly").code(2);
    vx(&format!("toolchain remove {release}")).success();
    assert_eq!(toolchains(&downloads), [""; 0]);
    vx(&format!("toolchain remove {release}")).code(2);
    // It is unpacked again, and nothing of it is downloaded again.
    vx("build").success();
    assert_eq!(server.requests(), requests);
    runs(&env);
}

#[test]
fn what_rustup_has_installed_is_listed_and_left_alone() {
    let env = TestEnv::with_fixture("hello").with_own_downloads();
    let rustup = env.root().join("rustup");
    fs::create_dir_all(rustup.join("toolchains/1.2.3-x86_64-unknown-linux-gnu")).unwrap();
    let vx = |command: &str| env.vx(command.split(' ')).env("RUSTUP_HOME", &rustup).run();
    assert_eq!(
        vx("toolchain list").success().stdout,
        "1.2.3-x86_64-unknown-linux-gnu from rustup\n"
    );
    let refused = vx("toolchain remove 1.2.3-x86_64-unknown-linux-gnu").code(2);
    assert!(refused.stderr.contains("was installed by rustup"), "{refused}");
    vx("toolchain install no-such-channel").code(2);
}
