//! What is seen of real programs.

use camino::Utf8Path;
use vx_path::Was;
use vx_proto::{Access, AccessKind, Observation};

use crate::process::tests::{Done, TestDir, run};

/// Everything that a run used.
struct Seen(Vec<Access>);

impl Seen {
    fn of(done: &Done) -> Self {
        assert_eq!(done.ended.exit_code, Some(0), "{}{}", done.stdout, done.stderr);
        match &done.ended.observation {
            Observation::Complete(accesses) => Self(accesses.clone()),
            other => panic!("{other:?}"),
        }
    }

    fn kinds(&self, path: impl AsRef<Utf8Path>) -> Vec<AccessKind> {
        let path = path.as_ref();
        self.0
            .iter()
            .filter(|access| access.path == path)
            .map(|access| access.kind)
            .collect()
    }

    fn uses(&self) -> Vec<(&str, AccessKind)> {
        self.0
            .iter()
            .map(|access| (access.path.as_str(), access.kind))
            .collect()
    }

    fn reads(&self, path: impl AsRef<Utf8Path>) -> bool {
        self.kinds(path).contains(&AccessKind::Read)
    }

    fn reads_ending(&self, end: &str) -> bool {
        self.0
            .iter()
            .any(|access| access.kind == AccessKind::Read && access.path.ends_with(end))
    }
}

async fn observe(dir: &TestDir, script: &str) -> Seen {
    Seen::of(&run(dir.observed(dir.shell(script))).await)
}

#[tokio::test]
async fn what_is_executed_is_named_by_the_program_itself() {
    let dir = TestDir::new();
    dir.write("script", "#!/bin/sh\nexec ./link\n");
    let at = |name: &str| dir.path().join(name);
    std::os::unix::fs::symlink("/bin/true", at("link")).unwrap();
    std::fs::set_permissions(at("script"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let seen = observe(&dir, "./script; ./absent || true").await;
    for program in ["/bin/sh", "/bin/true"] {
        let real = Utf8Path::new(program).canonicalize_utf8().unwrap();
        assert!(seen.kinds(real).contains(&AccessKind::Execute), "{program}");
    }
    for name in ["script", "link", "absent"] {
        assert!(!seen.kinds(at(name)).contains(&AccessKind::Execute), "{name}");
    }
}

#[tokio::test]
async fn a_look_at_the_environment_through_proc_is_seen() {
    let dir = TestDir::new();
    let reads = |seen: &Seen| seen.reads_ending("/environ");
    assert!(reads(&observe(&dir, "cat /proc/self/environ >/dev/null").await));
    assert!(reads(&observe(&dir, "cat /proc/$$/environ >/dev/null").await));
    assert!(!reads(&observe(&dir, "cat /proc/self/status >/dev/null").await));
}

#[tokio::test]
async fn files_are_read_probed_listed_and_written() {
    let dir = TestDir::new();
    dir.write("read", "content");
    dir.write("dir/entry", "");
    let seen = observe(
        &dir,
        "cat read >written; cat written; test -e absent; ls dir >/dev/null; cd dir; cat ../missing; cat entry; mkdir made; echo >made/x; rm -r made",
    )
    .await;
    let here = dir.path();
    assert_eq!(seen.kinds(here.join("read")), [AccessKind::Read]);
    assert_eq!(seen.kinds(here.join("written")), [AccessKind::Write]);
    assert_eq!(seen.kinds(here.join("absent")), [AccessKind::Probe]);
    assert!(seen.kinds(here.join("dir")).contains(&AccessKind::List));
    assert_eq!(seen.kinds(here.join("missing")), [AccessKind::Read]);
    assert_eq!(seen.kinds(here.join("dir/entry")), [AccessKind::Read]);
    assert!(
        seen.kinds(here.join("dir/made")).contains(&AccessKind::Write)
            || seen.kinds(here.join("dir/made")).contains(&AccessKind::Probe)
    );
    assert_eq!(seen.kinds(here.join("dir/made/x")), []);
    assert!(seen.0.is_sorted());
}

#[tokio::test]
async fn executing_shows_the_script_its_interpreter_and_the_search() {
    let dir = TestDir::new();
    let script = dir.write("bin/tool", "#!/bin/sh\nexec true\n");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::create_dir(dir.path().join("first")).unwrap();
    let here = dir.path();
    let seen = observe(&dir, &format!("PATH={here}/first:{here}/bin:$PATH; tool")).await;
    assert!(seen.reads(&script));
    let interpreter = Utf8Path::new("/bin/sh").canonicalize_utf8().unwrap();
    assert!(seen.reads(&interpreter), "{interpreter}");
    if Utf8Path::new("/bin").is_symlink() {
        assert_eq!(seen.kinds("/bin"), [AccessKind::Pass]);
    }
    // Absent at the first path tried.
    assert!(!seen.kinds(here.join("first/tool")).is_empty());
    // The dynamic linker, which the kernel itself opens.
    assert!(seen.0.iter().any(|access| access.path.contains("/ld-")));
    assert!(seen.reads_ending("/libc.so.6"));
}

#[tokio::test]
async fn what_belongs_to_the_action_is_left_out() {
    let dir = TestDir::new();
    let outside = dir.write("outside", "");
    let seen = observe(
        &dir,
        "echo >$TMPDIR/a; cat $TMPDIR/a; ln -s ../outside $TMPDIR/link; cat $TMPDIR/link; cat /proc/self/stat /dev/null",
    )
    .await;
    let own = dir.path().join("tmp");
    let leaks: Vec<&Access> = seen
        .0
        .iter()
        .filter(|access| Utf8Path::new(&access.path).starts_with(&own))
        .collect();
    assert!(leaks.is_empty(), "{leaks:?}");
    assert!(
        !seen
            .0
            .iter()
            .any(|access| access.path.starts_with("/proc/") || access.path.starts_with("/dev"))
    );
    assert!(seen.reads(outside));
}

#[tokio::test]
async fn links_are_followed_as_the_kernel_does() {
    let dir = TestDir::new();
    dir.write("deep/down/file", "");
    dir.write("deep/beside", "");
    let here = dir.path();
    std::os::unix::fs::symlink("deep/down", here.join("link")).unwrap();
    std::os::unix::fs::symlink("file", here.join("deep/down/alias")).unwrap();
    let seen = observe(
        &dir,
        "cat link/alias link/../beside; cd -P link; cat file; readlink alias; test -L alias",
    )
    .await;
    assert!(seen.kinds(here.join("link")).contains(&AccessKind::Pass));
    assert!(seen.kinds(here.join("deep/down/alias")).contains(&AccessKind::Pass));
    assert!(seen.kinds(here.join("deep/down/alias")).contains(&AccessKind::Probe));
    assert_eq!(seen.kinds(here.join("deep/down/file")), [AccessKind::Read]);
    assert_eq!(seen.kinds(here.join("deep/beside")), [AccessKind::Read]);
    assert!(!seen.0.iter().any(|access| access.path.contains("/link/")));
    let beside = seen.0.iter().find(|access| access.path.ends_with("/beside")).unwrap();
    assert_eq!(beside.climbed_from, Some(here.join("deep/down").to_string()));
}

#[tokio::test]
async fn what_is_opened_through_a_process_is_named_by_its_real_path() {
    let dir = TestDir::new();
    for name in ["a", "b", "c", "d", "e"] {
        dir.write(name, "");
    }
    let here = dir.path();
    let seen = observe(
        &dir,
        &format!(
            "cat /proc/self/cwd/a /proc/self/root{here}/b; cat /proc/$$/cwd/c; cat /dev/fd/3 3<d; cd /; cat /proc/self/fd/4 4<{here}/e; cat /proc/self/environ >/dev/null"
        ),
    )
    .await;
    for name in ["a", "b", "c", "d", "e"] {
        assert_eq!(seen.kinds(here.join(name)), [AccessKind::Read], "{name}");
    }
    assert_eq!(seen.kinds("/proc/self/environ"), [AccessKind::Read]);
}

#[tokio::test]
async fn a_workspace_in_shared_memory_is_seen() {
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    let file = Utf8Path::from_path(dir.path()).unwrap().join("file");
    std::fs::write(&file, "").unwrap();
    let seen = observe(&TestDir::new(), &format!("cat {file}")).await;
    assert!(seen.reads(&file));
}

#[tokio::test]
async fn a_change_of_permissions_is_a_change() {
    let dir = TestDir::new();
    let file = dir.write("file", "");
    let seen = observe(&dir, "chmod 600 file").await;
    assert!(seen.kinds(&file).contains(&AccessKind::Write));
}

const MAPPED: &str = r#"
#include <fcntl.h>
#include <sys/mman.h>
int main(void) {
    int fd = open("mapped", O_RDWR);
    if (fd < 0 || open("lock", O_RDWR) < 0) return 1;
    char *text = mmap(0, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (text == MAP_FAILED) return 2;
    text[0] = 'X';
    return 0;
}
"#;

#[tokio::test]
async fn a_write_through_a_mapping_is_a_write() {
    let dir = TestDir::new();
    let program = dir.compile(MAPPED, &[]).unwrap();
    let (mapped, lock) = (dir.write("mapped", "text"), dir.write("lock", "text"));
    let seen = Seen::of(&run(dir.observed(dir.command(&[program.as_str()]))).await);
    assert_eq!(seen.kinds(&mapped), [AccessKind::Read, AccessKind::Write]);
    assert_eq!(seen.kinds(&lock), [AccessKind::Read]);
}

#[tokio::test]
async fn git_is_seen_to_read_the_head() {
    let dir = TestDir::new();
    // The oldest format of a repository, whatever the machine's settings.
    let git = "GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_DEFAULT_REF_FORMAT=files \
               git -c init.defaultBranch=main -c user.name=a -c user.email=a@b -c commit.gpgSign=false -c gc.auto=0";
    let prepared = run(dir.shell(&format!("{git} init -q . && {git} commit -q --allow-empty -m first"))).await;
    assert_eq!(prepared.ended.exit_code, Some(0), "{}", prepared.stderr);
    let seen = observe(&dir, "git rev-parse HEAD").await;
    assert!(seen.reads(dir.path().join(".git/HEAD")));
    assert!(seen.reads(dir.path().join(".git/refs/heads/main")));
}

#[tokio::test]
async fn a_c_compiler_is_seen_to_read_its_headers() {
    let dir = TestDir::new();
    let header = dir.write("include/mine.h", "#define ANSWER 42\n");
    let source = dir.write(
        "x.c",
        "#include <stdio.h>\n#include <mine.h>\nint answer(void) { return ANSWER; }\n",
    );
    let seen = observe(&dir, "cc -Iinclude -Imissing -c x.c -o $TMPDIR/x.o").await;
    assert!(seen.reads(header));
    assert!(seen.reads(source));
    assert!(seen.reads_ending("/stdio.h"));
    // Where it was looked for first.
    let missing = dir.path().join("missing");
    assert!(
        seen.0
            .iter()
            .any(|access| Utf8Path::new(&access.path).starts_with(&missing))
    );
}

const PROCESSORS: &str = r#"
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
static int count(pid_t pid) { cpu_set_t set; return sched_getaffinity(pid, sizeof set, &set) ? -1 : CPU_COUNT(&set); }
int main(void) {
    struct stat info;
    cpu_set_t one;
    for (int i = 0; i < 1000; i++) stat("/", &info);
    printf("%d ", count(0));
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    for (int i = 0; i < 1000; i++) stat("/", &info);
    printf("%d\n", count(0));
}
"#;

#[tokio::test]
async fn a_program_may_use_the_processors_that_it_would_use_untraced() {
    let dir = TestDir::new();
    let program = dir.compile(PROCESSORS, &[]).unwrap();
    let command = dir.command(&[program.as_str()]);
    let untraced = run(command.clone()).await;
    let traced = run(dir.observed(command)).await;
    assert!(untraced.stdout.ends_with(" 1\n"), "{}", untraced.stdout);
    assert_eq!(untraced.stdout, traced.stdout);
    Seen::of(&traced);
}

const THREADS: &str = r#"
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
static void *work(void *name) {
    for (int i = 0; i < 100; i++) { int fd = open(name, O_RDONLY); if (fd >= 0) close(fd); }
    return 0;
}
int main(void) {
    pthread_t threads[8];
    char names[8][16];
    for (int i = 0; i < 8; i++) {
        sprintf(names[i], "thread-%d", i);
        if (pthread_create(&threads[i], 0, work, names[i])) return 1;
    }
    char *arguments[] = {"cat", "spawned", 0};
    pid_t child; int status;
    if (posix_spawn(&child, "/bin/cat", 0, 0, arguments, environ)) return 2;
    if (waitpid(child, &status, 0) != child || status) return 3;
    if (!(child = vfork())) { execl("/bin/cat", "cat", "vforked", (char *)0); _exit(9); }
    if (waitpid(child, &status, 0) != child || status) return 4;
    for (int i = 0; i < 8; i++) pthread_join(threads[i], 0);
    return 0;
}
"#;

#[tokio::test]
async fn threads_and_vfork_are_followed() {
    let dir = TestDir::new();
    let program = dir.compile(THREADS, &["-pthread"]).unwrap();
    dir.write("spawned", "");
    dir.write("vforked", "");
    let seen = Seen::of(&run(dir.observed(dir.command(&[program.as_str()]))).await);
    for name in (0..8)
        .map(|i| format!("thread-{i}"))
        .chain(["spawned".to_owned(), "vforked".to_owned()])
    {
        assert!(seen.reads(dir.path().join(&name)), "{name}");
    }
}

/// One thread executes another program while seven others run.
const EXEC_FROM_THREAD: &str = r#"
#include <pthread.h>
#include <unistd.h>
static void *spin(void *unused) { for (;;) getppid(); }
static void *work(void *unused) { execl("/bin/cat", "cat", "read-by-cat", (char *)0); return 0; }
int main(void) {
    pthread_t thread;
    for (int i = 0; i < 7; i++) pthread_create(&thread, 0, spin, 0);
    pthread_create(&thread, 0, work, 0);
    pause();
}
"#;

#[tokio::test]
async fn a_thread_that_executes_becomes_the_process() {
    let dir = TestDir::new();
    let program = dir.compile(EXEC_FROM_THREAD, &["-pthread"]).unwrap();
    dir.write("read-by-cat", "");
    let done = run(dir.observed(dir.command(&[program.as_str()]))).await;
    assert!(Seen::of(&done).reads(dir.path().join("read-by-cat")));
}

#[tokio::test]
async fn static_programs_are_seen() {
    let dir = TestDir::new();
    let source = "#include <fcntl.h>\nint main(void) { return open(\"input\", O_RDONLY) < 0; }\n";
    // A machine without a static libc has no static programs to test with.
    let Some(program) = dir.compile(source, &["-static"]) else {
        return;
    };
    dir.write("input", "");
    let done = run(dir.observed(dir.command(&[program.as_str()]))).await;
    assert!(Seen::of(&done).reads(dir.path().join("input")));
}

const REALTIME: &str = r"
#include <signal.h>
#include <unistd.h>
static volatile int seen;
static void note(int signal) { seen = signal; }
int main(void) { signal(SIGRTMIN + 3, note); kill(getpid(), SIGRTMIN + 3); return seen != SIGRTMIN + 3; }
";

#[tokio::test]
async fn realtime_signals_arrive() {
    let dir = TestDir::new();
    let program = dir.compile(REALTIME, &[]).unwrap();
    Seen::of(&run(dir.observed(dir.command(&[program.as_str()]))).await);
}

#[tokio::test]
async fn what_escapes_makes_the_observation_incomplete() {
    let dir = TestDir::new();
    let source = "#include <sys/syscall.h>\n#include <unistd.h>\nint main(void) { syscall(SYS_io_uring_setup, 0, 0); return 0; }\n";
    let program = dir.compile(source, &[]).unwrap();
    let done = run(dir.observed(dir.command(&[program.as_str()]))).await;
    assert_eq!(done.ended.exit_code, Some(0));
    assert_eq!(
        done.ended.observation,
        Observation::Incomplete("a process used io_uring".to_owned())
    );
}

#[tokio::test]
async fn a_path_that_is_not_utf8_makes_the_observation_incomplete() {
    let dir = TestDir::new();
    let done = run(dir.observed(dir.shell(r#"test -e "$(printf 'bad-\377')" ; true"#))).await;
    assert!(matches!(done.ended.observation, Observation::Incomplete(reason) if reason.contains("UTF-8")));
}

#[tokio::test]
async fn another_instruction_set_makes_the_observation_incomplete() {
    let dir = TestDir::new();
    // Uses the 32-bit system call interface, which a 64-bit program may do too.
    let source =
        "int main(void) { long r; __asm__ volatile(\"int $0x80\" : \"=a\"(r) : \"a\"(20L) : \"memory\"); return 0; }\n";
    let Some(program) = dir.compile(source, &[]).filter(|_| cfg!(target_arch = "x86_64")) else {
        return;
    };
    let done = run(dir.observed(dir.command(&[program.as_str()]))).await;
    // A kernel without that interface kills the program; with it, the call is not understood.
    if done.ended.exit_code == Some(0) {
        assert!(
            matches!(done.ended.observation, Observation::Incomplete(_)),
            "{:?}",
            done.ended.observation
        );
    }
}

#[tokio::test]
async fn both_ways_to_observe_see_the_same() {
    let dir = TestDir::new();
    dir.write("file", "content");
    let script = dir.write("script", "#!/bin/sh\ncat file ../absent; exec true\n");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
    let shell = dir.shell(
        "cat link; ./script; for i in 1 2 3; do test -e absent; cat file; done; ls; mkdir made; echo >made/x; mv made/x y; rm -r made y",
    );
    let [listened, traced] = [dir.observed(shell.clone()), dir.traced(shell)];
    let listened = Seen::of(&run(listened).await);
    assert_eq!(listened.uses(), Seen::of(&run(traced).await).uses());
    assert!(listened.reads(dir.path().join("file")));
}

#[tokio::test]
async fn what_changes_between_two_uses_shows_afterwards() {
    let dir = TestDir::new();
    let file = dir.write("file", "before");
    let fifo = dir.fifo("fifo");
    let script = "cat file; test -e new; read x <fifo; cat file; test -e new; rm new";
    let running = tokio::spawn(run(dir.observed(dir.shell(script))));
    let (changed, new) = (file.clone(), dir.path().join("new"));
    let change = move || {
        // Waits until it is read from.
        let mut fifo = std::fs::File::create(fifo).unwrap();
        std::fs::write(changed, "after").unwrap();
        std::fs::write(new, "").unwrap();
        std::io::Write::write_all(&mut fifo, b"go\n").unwrap();
    };
    tokio::task::spawn_blocking(change).await.unwrap();
    let seen = Seen::of(&running.await.unwrap());
    let was = |path: &Utf8Path| seen.0.iter().find(|access| access.path == path).unwrap().was;
    assert!(!was(&file).is_still(Was::at(&file)));
    assert_eq!(was(&dir.path().join("new")), Was::Unsteady);
}

const INNER: &str = "VX_EXECD_TEST_OBSERVED";

/// Not a test itself: the next test observes this, and it observes another process.
#[tokio::test]
async fn helper_that_observes() {
    let Ok(_) = std::env::var(INNER) else { return };
    let dir = TestDir::new();
    let done = run(dir.observed(dir.shell("cat /dev/null"))).await;
    println!("\ninner: {:?}", done.ended.observation);
}

#[tokio::test]
async fn who_is_observed_cannot_observe_and_knows_it() {
    let dir = TestDir::new();
    let own = std::env::current_exe().unwrap();
    let arguments = [
        own.to_str().unwrap(),
        "--exact",
        "observe::tests::helper_that_observes",
        "--nocapture",
    ];
    let mut command = dir.observed(dir.command(&arguments));
    command.environment.push((INNER.into(), "1".into()));
    let done = run(command).await;
    assert!(
        done.stdout.contains("inner: Incomplete("),
        "{}{}",
        done.stdout,
        done.stderr
    );
}

#[tokio::test]
async fn what_a_process_points_elsewhere_leads_there() {
    let dir = TestDir::new();
    let [first, second] = ["first", "second"].map(|name| dir.write(&format!("{name}/file"), name));
    // One of the two links belongs to the action.
    for link in ["tmp/link", "link"] {
        let here = dir.path();
        let script =
            format!("ln -sfn {here}/first {link}; cat {link}/file; ln -sfn {here}/second {link}; cat {link}/file");
        let seen = observe(&dir, &script).await;
        assert!(seen.reads(&first) && seen.reads(&second), "{link}");
        let climbing = format!(
            "mkdir -p first/in second/in; ln -sfn {here}/first/in {link}; cat {link}/../file; \
             ln -sfn {here}/second/in {link}; cat {link}/../file"
        );
        let seen = observe(&dir, &climbing).await;
        assert!(seen.reads(&first) && seen.reads(&second), "{link}, climbing");
    }
}
