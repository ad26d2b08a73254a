//! Process trees of real programs, traced and untraced.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use vx_proto::Containment;

use super::*;

/// Where a test's processes run.
pub(crate) struct TestDir {
    dir: tempfile::TempDir,
}

/// What a process did.
pub(crate) struct Done {
    pub(crate) ended: Ended,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl TestDir {
    pub(crate) fn new() -> Self {
        reap::become_subreaper().unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("tmp")).unwrap();
        Self { dir }
    }

    /// With symbolic links followed.
    pub(crate) fn path(&self) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.dir.path().canonicalize().unwrap()).unwrap()
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> Utf8PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A pipe with a name: who opens it waits for the other end.
    pub(crate) fn fifo(&self, name: &str) -> Utf8PathBuf {
        let path = self.path().join(name);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, path.as_str(), kind, 0o600.into(), 0).unwrap();
        path
    }

    /// Compiles a C program; `None` if the compiler cannot do what `flags` ask for.
    pub(crate) fn compile(&self, source: &str, flags: &[&str]) -> Option<Utf8PathBuf> {
        let source = self.write("program.c", source);
        let program = self.path().join("program");
        let mut compiler = Command::new("cc");
        let compiled = compiler
            .args(flags)
            .args([source.as_str(), "-o", program.as_str()])
            .output()
            .unwrap();
        compiled.status.success().then_some(program)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Launch {
        let tmpdir = self.path().join("tmp");
        Launch {
            label: "test".to_owned(),
            program: arguments[0].into(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            environment: vec![
                ("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()),
                ("TMPDIR".into(), tmpdir.as_str().into()),
            ],
            working_directory: self.path(),
            tmpdir,
            descriptors: Vec::new(),
            observe: None,
            known: None,
            only_traced: false,
            namespaces: None,
        }
    }

    pub(crate) fn shell(&self, script: &str) -> Launch {
        self.command(&["/bin/sh", "-c", script])
    }

    /// The same, observed.
    pub(crate) fn observed(&self, mut launch: Launch) -> Launch {
        let own = vec![self.path().join("tmp")];
        launch.observe = Some(Scope {
            own,
            ..Scope::default()
        });
        launch
    }

    /// The same, observed as on a kernel without notifications.
    pub(crate) fn traced(&self, launch: Launch) -> Launch {
        Launch {
            only_traced: true,
            ..self.observed(launch)
        }
    }

    /// Unobserved, and observed in both ways: nothing else may differ.
    fn each_way(&self, launch: Launch) -> [Launch; 3] {
        [launch.clone(), self.observed(launch.clone()), self.traced(launch)]
    }
}

/// A contained shell; `/tmp/…/own` is its own.
pub(crate) struct Shell {
    pub(crate) dir: TestDir,
    pub(crate) containment: Containment,
}

impl Shell {
    pub(crate) fn new() -> Self {
        let dir = TestDir::new();
        fs::create_dir(dir.path().join("own")).unwrap();
        let containment = Containment {
            kept: vec![dir.path().to_string()],
            ..Containment::default()
        };
        Self { dir, containment }
    }

    pub(crate) fn launch(&self, script: &str) -> Launch {
        self.contained(self.dir.shell(script), None)
    }

    /// The same, observed, with a library that knows what is recorded.
    pub(crate) fn knowing(&self, script: &str) -> Launch {
        self.contained(self.dir.shell(script), Some(&self.dir.path().join("known")))
    }

    fn contained(&self, mut launch: Launch, known: Option<&Utf8Path>) -> Launch {
        let own = [launch.tmpdir.clone(), self.dir.path().join("own")];
        let namespaces = Namespaces::new(&self.containment, &own, &launch.tmpdir, &self.changes(), known).unwrap();
        if let Some(known) = known {
            launch.observe = Some(Scope {
                own: namespaces.masked.iter().chain(&own).cloned().collect(),
                foreign: namespaces.kept.iter().cloned().collect(),
                view: namespaces.view.clone(),
            });
            launch.known = Some(Arc::new(KnownUses::create(known, &own).unwrap()));
        }
        launch.namespaces = Some(namespaces);
        launch
    }

    fn changes(&self) -> Utf8PathBuf {
        self.dir.path().join("changes")
    }

    pub(crate) async fn run(&self, script: &str) -> Done {
        run(self.launch(script)).await
    }

    pub(crate) async fn prints(&self, script: &str) -> String {
        let done = self.run(script).await;
        assert_eq!(done.ended.exit_code, Some(0), "{script}: {}", done.stderr);
        done.stdout
    }
}

/// Runs a process to its end.
pub(crate) async fn run(command: Launch) -> Done {
    let running = launch(command).await.unwrap();
    let (stdout, stderr) = (read_all(running.stdout), read_all(running.stderr));
    let ended = running.ended.await.unwrap();
    Done {
        ended,
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

fn read_all(pipe: OwnedFd) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        fs::File::from(pipe).read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// Reads the process ids that a script prints, one a line.
fn read_pids(pipe: OwnedFd, count: usize) -> Vec<u32> {
    let lines = BufReader::new(fs::File::from(pipe)).lines();
    lines.take(count).map(|line| line.unwrap().parse().unwrap()).collect()
}

/// Neither alive nor a zombie.
fn is_gone(pid: u32) -> bool {
    !Utf8Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn exit_codes_and_signals_are_told() {
    let dir = TestDir::new();
    for command in dir.each_way(dir.shell("echo out; echo err >&2; exit 7")) {
        let done = run(command).await;
        assert_eq!((done.ended.exit_code, done.ended.signal), (Some(7), None));
        assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("out\n", "err\n"));
    }
    for command in dir.each_way(dir.shell("kill -TERM $$")) {
        let done = run(command).await;
        assert_eq!((done.ended.exit_code, done.ended.signal), (None, Some(15)));
    }
}

#[tokio::test]
async fn nothing_is_inherited() {
    let dir = TestDir::new();
    // Not close-on-exec.
    let leak = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
    let script =
        "env; read x || echo eof; for n in $(seq 3 99); do if test -e /proc/$$/fd/$n; then echo fd $n; fi; done";
    for mut command in dir.each_way(dir.shell(script)) {
        command.environment.push(("ONLY".into(), "this one".into()));
        let done = run(command).await;
        // What shells set by themselves.
        let of_shell = ["PWD=", "_=", "SHLVL=", "OLDPWD"];
        let is_ours = |line: &&str| of_shell.iter().all(|start| !line.starts_with(start));
        let mut lines: Vec<&str> = done.stdout.lines().filter(is_ours).collect();
        lines.sort_unstable();
        let tmpdir = format!("TMPDIR={}/tmp", dir.path());
        assert_eq!(
            lines,
            [
                "ONLY=this one",
                "PATH=/usr/local/bin:/usr/bin:/bin",
                tmpdir.as_str(),
                "eof"
            ]
        );
    }
    drop(leak);
}

#[tokio::test]
async fn chosen_descriptors_are_inherited() {
    use std::os::fd::AsRawFd as _;
    let dir = TestDir::new();
    let (reader, writer) = io::pipe().unwrap();
    let number = writer.as_raw_fd();
    let mut command = dir.command(&["/bin/bash", "-c", &format!("echo hello >&{number}")]);
    command.descriptors = vec![number];
    assert_eq!(run(command).await.ended.exit_code, Some(0));
    drop(writer);
    assert_eq!(io::read_to_string(reader).unwrap(), "hello\n");
}

#[tokio::test]
async fn what_cannot_be_run_is_named() {
    let dir = TestDir::new();
    let data = dir.write("data", "not a program");
    let prepare: [(&str, Launch); 3] = [
        ("cannot run `/no/such/program`", dir.command(&["/no/such/program"])),
        ("cannot run", dir.command(&[data.as_str()])),
        ("cannot change to the directory `/no/such/directory`", {
            let mut command = dir.shell("true");
            command.working_directory = "/no/such/directory".into();
            command
        }),
    ];
    for (message, command) in prepare {
        for command in dir.each_way(command) {
            let error = launch(command).await.unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
            assert!(std::error::Error::source(&error).is_some());
        }
    }
    let error = launch(dir.shell("null \0 byte")).await.unwrap_err();
    assert!(error.to_string().contains("null byte"), "{error}");
}

#[tokio::test]
async fn a_program_that_is_busy_for_a_moment_is_run() {
    let dir = TestDir::new();
    let program = dir.path().join("program");
    fs::copy("/bin/true", &program).unwrap();
    let writer = fs::OpenOptions::new().write(true).open(&program).unwrap();
    let start = launch(dir.command(&[program.as_str()]));
    tokio::pin!(start);
    // The child has started, and may or may not find the file busy: both must work.
    assert!(futures::poll!(&mut start).is_pending());
    drop(writer);
    assert_eq!(start.await.unwrap().ended.await.unwrap().exit_code, Some(0));
}

/// Prints two process ids: of a child in the same session, and of one in a session of its own. Waits forever.
const TREE: &str = "sleep 1000 & echo $!; setsid sh -c 'echo $$; exec sleep 1000' & wait";

#[tokio::test]
async fn a_killed_process_takes_its_whole_tree_along() {
    let dir = TestDir::new();
    for command in dir.each_way(dir.shell(TREE)) {
        let running = launch(command).await.unwrap();
        let pids = read_pids(running.stdout, 2);
        running.process.kill();
        let ended = running.ended.await.unwrap();
        assert_eq!((ended.exit_code, ended.signal), (None, Some(9)));
        for pid in pids.into_iter().chain([running.process.id()]) {
            assert!(is_gone(pid), "{pid}");
        }
    }
}

#[tokio::test]
async fn dropping_kills_as_well() {
    let dir = TestDir::new();
    for command in dir.each_way(dir.shell(TREE)) {
        let running = launch(command).await.unwrap();
        let pids = read_pids(running.stdout, 2);
        drop(running.process);
        running.ended.await.unwrap();
        assert!(pids.into_iter().all(is_gone));
    }
}

#[tokio::test]
async fn what_stays_in_the_background_is_killed() {
    let dir = TestDir::new();
    // A typical daemon: two forks, a session of its own, and no parent.
    let script =
        "sleep 1000 & echo $!; (setsid sh -c 'echo $$ >&3; exec sleep 1000' 3>&1 >/dev/null 2>&1 &); read x <fifo";
    for command in dir.each_way(dir.shell(script)) {
        let fifo = dir.fifo("fifo");
        let running = launch(command).await.unwrap();
        let pids = read_pids(running.stdout, 2);
        fs::write(&fifo, "go\n").unwrap();
        let ended = running.ended.await.unwrap();
        assert_eq!((ended.exit_code, ended.leftovers), (Some(0), 2));
        assert!(pids.into_iter().all(is_gone));
        fs::remove_file(fifo).unwrap();
    }
}

#[tokio::test]
async fn no_zombie_is_left_by_children_that_nobody_waited_for() {
    let dir = TestDir::new();
    for command in dir.each_way(dir.shell("true & echo $!; setsid true & echo $!; exec sh -c 'kill -9 $$'")) {
        let running = launch(command).await.unwrap();
        let pids = read_pids(running.stdout, 2);
        running.ended.await.unwrap();
        assert!(pids.iter().copied().all(is_gone), "{pids:?}");
    }
}

/// A child stops itself; its parent sees that and resumes it.
const STOPS: &str = r#"
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
static void note(int signal) { write(1, signal == SIGCONT ? "continued\n" : "trapped\n", signal == SIGCONT ? 10 : 8); }
int main(void) {
    int status;
    signal(SIGUSR1, note);
    signal(SIGCONT, note);
    raise(SIGUSR1);
    pid_t child = fork();
    if (!child) { raise(SIGSTOP); _exit(3); }
    if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status)) return 1;
    if (kill(child, SIGCONT) || waitpid(child, &status, 0) != child) return 2;
    return WEXITSTATUS(status);
}
"#;

#[tokio::test]
async fn signals_and_stops_are_as_without_a_tracer() {
    let dir = TestDir::new();
    let program = dir.compile(STOPS, &[]).unwrap();
    let command = dir.command(&[program.as_str()]);
    for command in dir.each_way(command) {
        let done = run(command).await;
        assert_eq!(
            (done.stdout.as_str(), done.ended.exit_code),
            ("trapped\ncontinued\n", Some(3))
        );
    }
}

const HELPER: &str = "VX_EXECD_TEST_HELPER";

/// Not a test itself: the next test runs this in another process, which it then kills.
#[tokio::test]
async fn helper_that_runs_a_tree() {
    let Ok(kind) = std::env::var(HELPER) else { return };
    let dir = TestDir::new();
    let [unobserved, listened, traced] = dir.each_way(dir.shell("sleep 1000 & echo $!; echo $$; wait"));
    let chosen = match kind.as_str() {
        "traced" => traced,
        "listened" => listened,
        _ => unobserved,
    };
    let running = launch(chosen).await.unwrap();
    println!();
    for pid in read_pids(running.stdout, 2) {
        println!("pid {pid}");
    }
    std::future::pending::<()>().await;
}

#[test]
fn nothing_survives_the_death_of_the_executor() {
    reap::become_subreaper().unwrap();
    for kind in ["traced", "listened", "unobserved"] {
        let mut helper = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::tests::helper_that_runs_a_tree", "--nocapture"])
            .env(HELPER, kind)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(helper.stdout.take().unwrap()).lines();
        let pids = lines.filter_map(|line| line.unwrap().strip_prefix("pid ")?.parse::<u32>().ok());
        let pids: Vec<Pid> = pids
            .take(2)
            .map(|pid| Pid::from_raw(pid.cast_signed()).unwrap())
            .collect();
        let tree: Vec<OwnedFd> = pids
            .iter()
            .map(|pid| rustix::process::pidfd_open(*pid, rustix::process::PidfdFlags::empty()).unwrap())
            .collect();
        helper.kill().unwrap();
        helper.wait().unwrap();
        let ended = |process: &OwnedFd, which: &str| {
            let mut poll = [rustix::event::PollFd::new(process, rustix::event::PollFlags::IN)];
            let limit = rustix::event::Timespec { tv_sec: 20, tv_nsec: 0 };
            let ready = rustix::event::poll(&mut poll, Some(&limit)).unwrap();
            assert_eq!(ready, 1, "{which} of the {kind} tree lives");
        };
        // The main process dies with its parent, and so does all that is traced.
        ended(&tree[1], "the main process");
        if kind != "traced" {
            // The rest is handed to this process, as it would be to the daemon.
            let mark = reap::Mark {
                leader: pids[1],
                tmpdir: Utf8Path::new("/nowhere"),
            };
            reap::kill_leftovers(mark, &HashSet::new());
        }
        ended(&tree[0], "the background process");
    }
}
