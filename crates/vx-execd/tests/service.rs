//! execd and casd as services, with real processes.

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vx_execd::{Config, ExecdError};
use vx_home::VxHome;
use vx_model::{Digest, OutputFile, Root, RootedPath};
use vx_proto::{
    CasClient, Dispatch, EnvVar, ErrorKind, ExecClient, ExecStatus, ExecuteEvent, ExecuteRequest, ExecuteResult,
    InlineFile, InputFile, Observation, PROTOCOL, TreePath,
};
use vx_transport::{CallError, Credentials, Endpoint, Limits, Listener, Session, Token};

const DEADLINE: Duration = Duration::from_secs(30);

/// A home with both services.
struct Services {
    dir: TempDir,
    home: VxHome,
    credentials: Credentials,
    exec: Endpoint,
    cas: Arc<Session>,
    shutdown: CancellationToken,
    casd: JoinHandle<Result<(), vx_casd::CasdError>>,
    execd: JoinHandle<Result<(), ExecdError>>,
}

impl Services {
    async fn start(jobs: usize) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), jobs).await
    }

    async fn start_in(dir: TempDir, jobs: usize) -> Self {
        let home = VxHome::new(dir.path().join("home").to_str().unwrap());
        fs::create_dir_all(home.run()).unwrap();
        let credentials = Credentials {
            token: Token::load_or_create(&home.token()).unwrap(),
            build_version: "test".to_owned(),
            protocol: PROTOCOL,
        };
        let shutdown = CancellationToken::new();
        let listener = Listener::bind(&Endpoint::free_port()).unwrap();
        let cas = listener.endpoint().clone();
        let casd = tokio::spawn(vx_casd::serve(
            home.clone(),
            listener,
            credentials.clone(),
            shutdown.clone(),
        ));
        let listener = Listener::bind(&Endpoint::free_port()).unwrap();
        let exec = listener.endpoint().clone();
        let config = Config {
            home: home.clone(),
            jobs,
            cas: cas.clone(),
        };
        let execd = tokio::spawn(vx_execd::serve(config, listener, credentials.clone(), shutdown.clone()));
        let cas = Session::connect(&cas, &credentials, &Limits::default()).await.unwrap();
        Self {
            dir,
            home,
            credentials,
            exec,
            cas: Arc::new(cas),
            shutdown,
            casd,
            execd,
        }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// A request that runs `script` in the exec root `name`.
    fn script(&self, name: &str, script: &str) -> ExecuteRequest {
        let arguments = ["/bin/sh", "-c", script].map(ToOwned::to_owned).to_vec();
        ExecuteRequest {
            exec_root: self.home.exec().join(name).into_string(),
            arguments,
            environment: vec![EnvVar {
                name: "PATH".to_owned(),
                value: std::env::var("PATH").unwrap(),
            }],
            working_directory: self.dir.path().to_str().unwrap().to_owned(),
            inputs: Vec::new(),
            directories: Vec::new(),
            output_directories: Vec::new(),
            output_trees: Vec::new(),
            inline_files: Vec::new(),
            rustc_json: false,
            observe: false,
            containment: None,
        }
    }

    async fn connect(&self) -> Session {
        Session::connect(&self.exec, &self.credentials, &Limits::default())
            .await
            .unwrap()
    }

    /// Runs an action on a connection of its own, which ends when the stream is dropped.
    async fn execute(
        &self,
        request: ExecuteRequest,
    ) -> impl Stream<Item = Result<ExecuteEvent, CallError>> + Unpin + Send + use<> {
        self.execute_with_priority(request, 0).await
    }

    async fn execute_with_priority(
        &self,
        request: ExecuteRequest,
        priority: u64,
    ) -> impl Stream<Item = Result<ExecuteEvent, CallError>> + Unpin + Send + use<> {
        let session = self.connect().await;
        let client = ExecClient::new(session.rpc());
        let dispatch = Dispatch {
            limits: vx_proto::Limits::default(),
            label: "test".to_owned(),
            priority,
        };
        let events = session
            .stream(async move { client.execute(request, dispatch).await })
            .await
            .unwrap();
        Box::pin(events)
    }

    async fn run(&self, request: ExecuteRequest) -> Run {
        let mut run = Run::default();
        let mut events = self.execute(request).await;
        while let Some(event) = events.next().await {
            match event.unwrap() {
                ExecuteEvent::Stdout(line) => run.stdout.push(line),
                ExecuteEvent::Stderr(line) => run.stderr.push(line),
                ExecuteEvent::Output(file) => run.early.push(file),
                ExecuteEvent::Started { stamp_ns, .. } => run.stamp_ns = Some(stamp_ns),
                last => run.last = Some(last),
            }
        }
        run
    }

    async fn put(&self, content: &[u8]) -> Digest {
        let client = CasClient::new(self.cas.rpc());
        let content = content.to_vec();
        let reply = self
            .cas
            .call(DEADLINE, async move { client.put_blob(content).await })
            .await;
        reply.unwrap().into_result().unwrap()
    }

    async fn get(&self, digest: Option<Digest>) -> Vec<u8> {
        let client = CasClient::new(self.cas.rpc());
        let digest = digest.expect("no blob");
        let reply = self
            .cas
            .call(DEADLINE, async move { client.get_blob(digest).await })
            .await;
        reply.unwrap().into_result().unwrap().expect("the blob is missing")
    }

    async fn status(&self) -> ExecStatus {
        let session = self.connect().await;
        let client = ExecClient::new(session.rpc());
        let reply = session.call(DEADLINE, async move { client.status().await }).await;
        reply.unwrap().into_result().unwrap()
    }

    /// Stops both services; they must be done in time.
    async fn stop(self) -> TempDir {
        self.shutdown.cancel();
        let stopped = tokio::time::timeout(Duration::from_secs(2), self.execd).await;
        stopped.expect("execd did not stop").unwrap().unwrap();
        self.casd.await.unwrap().unwrap();
        self.dir
    }
}

/// All that an action said.
#[derive(Debug, Default)]
struct Run {
    stamp_ns: Option<u64>,
    stdout: Vec<Vec<u8>>,
    stderr: Vec<Vec<u8>>,
    early: Vec<OutputFile>,
    last: Option<ExecuteEvent>,
}

impl Run {
    fn result(&self) -> &ExecuteResult {
        match &self.last {
            Some(ExecuteEvent::Finished(result)) => result,
            other => panic!("{other:?}, {:?}", String::from_utf8_lossy(&self.stderr.concat())),
        }
    }

    fn names(&self) -> Vec<&str> {
        self.result().files.iter().map(|file| file.path.path.as_str()).collect()
    }
}

fn fifo(path: &str) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Writes a line into a pipe that somebody reads, or is about to.
async fn release(path: String) {
    tokio::task::spawn_blocking(move || fs::write(path, "go\n").unwrap())
        .await
        .unwrap();
}

async fn next_start(events: &mut (impl Stream<Item = Result<ExecuteEvent, CallError>> + Unpin)) -> u32 {
    match events.next().await {
        Some(Ok(ExecuteEvent::Started { pid, .. })) => pid,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_are_laid_down_and_outputs_taken_in() {
    let services = Services::start(2).await;
    let tool = services
        .put(b"#!/bin/sh\ncat \"$1\" >\"$2\"; chmod +x \"$2\"; echo note >out/note; echo made >&2\n")
        .await;
    let data = services.put(b"content").await;
    let tree = services.path("tree");
    let mut request = services.script("root", "");
    let root = request.exec_root.clone();
    request.arguments = ["./tool", "deps/data", "out/copy"].map(ToOwned::to_owned).to_vec();
    request.working_directory.clone_from(&root);
    let input = |path: &str, digest, is_executable| InputFile {
        path: path.to_owned(),
        digest,
        is_executable,
    };
    request.inputs = vec![input("tool", tool, true), input("deps/data", data, false)];
    request.output_directories = vec!["out".to_owned()];
    let name = RootedPath::new(Root::Script, "");
    request.output_trees = vec![TreePath {
        path: tree.clone(),
        name: name.clone(),
    }];
    request.inline_files = vec!["out/note".to_owned()];
    let run = services.run(request).await;
    assert_eq!(run.result().exit_code, Some(0));
    let copy = OutputFile {
        path: RootedPath::new(Root::Exec, "out/copy"),
        digest: data,
        is_executable: true,
    };
    assert_eq!(run.result().files, [copy]);
    let note = InlineFile {
        path: "out/note".to_owned(),
        content: b"note\n".to_vec(),
    };
    assert_eq!(run.result().inline, [note]);
    assert_eq!(run.result().stdout, None);
    assert_eq!(services.get(run.result().stderr).await, b"made\n");
    assert_eq!(run.result().trees.len(), 1);
    assert_eq!(run.result().trees[0].path, name);
    assert!(Path::new(&tree).is_dir());
    services.stop().await;
    assert!(!Path::new(&root).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_where_an_input_is_missing() {
    let services = Services::start(1).await;
    let absent = Digest::of(b"nobody stored this");
    let witness = services.path("witness");
    let mut request = services.script("root", &format!("touch {witness}"));
    request.inputs = vec![InputFile {
        path: "data".to_owned(),
        digest: absent,
        is_executable: false,
    }];
    let run = services.run(request).await;
    assert_eq!(run.last, Some(ExecuteEvent::MissingInputs(vec![absent])));
    assert_eq!(run.stamp_ns, None);
    assert!(!Path::new(&witness).exists());
}

/// Draws two tokens from the jobserver, prints them, and never gives them back.
const TAKE_TWO_TOKENS: &str = "r=${CARGO_MAKEFLAGS##*=}; dd if=/proc/self/fd/${r%,*} bs=1 count=2 status=none";

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_what_was_asked_for_with_a_jobserver() {
    let services = Services::start(3).await;
    let mut request = services.script("root", &format!("env; {TAKE_TWO_TOKENS}"));
    request.environment.push(EnvVar {
        name: "TMPDIR".to_owned(),
        value: "/nowhere".to_owned(),
    });
    let tmpdir = format!("TMPDIR={}/tmp", request.exec_root);
    // Of three jobs one is this process; two tokens are left, which are read here.
    let run = services.run(request).await;
    assert_eq!(run.result().exit_code, Some(0));
    let lines: Vec<String> = run
        .stdout
        .iter()
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    assert!(lines.contains(&tmpdir), "{lines:?}");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("CARGO_MAKEFLAGS=-j --jobserver-fds=")),
        "{lines:?}"
    );
    assert_eq!(lines.last().unwrap().len(), 2, "{lines:?}");
    // It kept both; the next one finds them again, because nothing else ran meanwhile.
    let again = services.script("again", TAKE_TWO_TOKENS);
    let again = services.run(again).await;
    assert_eq!(again.stdout.concat().len(), 2, "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rustc_delivers_metadata_and_keeps_its_notices_to_itself() {
    let services = Services::start(2).await;
    fs::write(services.path("lib.rs"), "pub fn f() -> u32 { let unused = 1; 2 }\n").unwrap();
    let mut request = services.script("root", "");
    let out = format!("--out-dir={}/out", request.exec_root);
    let rustc = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .unwrap()
        .stdout;
    let rustc = format!("{}/bin/rustc", String::from_utf8(rustc).unwrap().trim());
    let flags = "--crate-name=x --crate-type=lib --edition=2024 --emit=dep-info,metadata,link --error-format=json \
                 --json=artifacts,diagnostic-rendered-ansi lib.rs";
    request.arguments = vec![rustc];
    request.arguments.extend(flags.split(' ').map(ToOwned::to_owned));
    request.arguments.push(out);
    request.output_directories = vec!["out".to_owned()];
    request.rustc_json = true;
    let run = services.run(request).await;
    assert_eq!(run.result().exit_code, Some(0), "{run:?}");
    assert_eq!(run.names(), ["out/libx.rlib", "out/libx.rmeta", "out/x.d"]);
    assert_eq!(run.early, [run.result().files[1].clone()]);
    let kept = String::from_utf8(services.get(run.result().stderr).await).unwrap();
    assert!(kept.contains("unused"), "{kept}");
    assert!(!kept.contains(r#""artifact""#), "{kept}");
    let told: Vec<u8> = run.stderr.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect();
    assert_eq!(told, kept.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_delivered_while_the_compiler_runs() {
    let services = Services::start(1).await;
    let gate = services.path("gate");
    fifo(&gate);
    let mut request = services.script("root", "");
    let artifact = format!("{}/out/libx.rmeta", request.exec_root);
    request.arguments[2] = format!(
        r#"echo early >{artifact}; echo '{{"$message_type":"artifact","artifact":"{artifact}","emit":"metadata"}}' >&2; read x <{gate}"#
    );
    request.output_directories = vec!["out".to_owned()];
    request.rustc_json = true;
    let mut events = services.execute(request).await;
    next_start(&mut events).await;
    let output = events.next().await.unwrap().unwrap();
    let early = OutputFile {
        path: RootedPath::new(Root::Exec, "out/libx.rmeta"),
        digest: Digest::of(b"early\n"),
        is_executable: false,
    };
    assert_eq!(output, ExecuteEvent::Output(early));
    assert_eq!(services.get(Some(Digest::of(b"early\n"))).await, b"early\n");
    release(gate).await;
    assert!(matches!(events.next().await, Some(Ok(ExecuteEvent::Finished(_)))));
    assert!(events.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_takes_nothing_in() {
    let services = Services::start(1).await;
    let mut request = services.script("root", "echo no >&2; echo x >\"${TMPDIR%/tmp}/out/file\"; exit 3");
    request.output_directories = vec!["out".to_owned()];
    let run = services.run(request).await;
    let result = run.result();
    assert_eq!((result.exit_code, result.signal), (Some(3), None));
    assert_eq!((result.files.len(), result.stderr), (0, None));
    assert_eq!(run.stderr, [b"no"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_passed_on_byte_for_byte() {
    let services = Services::start(1).await;
    let run = services
        .run(services.script("root", r"printf 'a\377b\r\n\nlast'"))
        .await;
    assert_eq!(run.stdout, [&b"a\xffb\r"[..], b"", b"last"]);
    assert_eq!(services.get(run.result().stdout).await, b"a\xffb\r\n\nlast");
}

#[tokio::test(flavor = "multi_thread")]
async fn much_output_is_kept_whole() {
    let services = Services::start(1).await;
    let run = services
        .run(services.script("root", "yes 'a line' | head -n 200000"))
        .await;
    assert_eq!(run.stdout.len(), 200_000);
    assert_eq!(run.result().stdout, Some(Digest::of(&b"a line\n".repeat(200_000))));
}

#[tokio::test(flavor = "multi_thread")]
async fn observation_is_part_of_the_result() {
    let services = Services::start(1).await;
    fs::write(services.path("input"), "").unwrap();
    let mut request = services.script("root", "cat input; cat \"$TMPDIR/none\" 2>&1; true");
    request.observe = true;
    let run = services.run(request).await;
    let Observation::Complete(accesses) = &run.result().observation else {
        panic!("{run:?}")
    };
    assert!(accesses.iter().any(|access| access.path.ends_with("/input")));
    assert!(!accesses.iter().any(|access| access.path.contains("/tmp/none")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_is_an_error_with_its_cause() {
    let services = Services::start(1).await;
    let mut request = services.script("root", "");
    request.arguments = vec!["/no/such/program".to_owned()];
    let run = services.run(request).await;
    let Some(ExecuteEvent::Failed(error)) = run.last else {
        panic!("{run:?}")
    };
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::Machine, "cannot run `/no/such/program`")
    );
    assert!(error.causes[0].contains("No such file"), "{error:?}");
    let mut request = services.script("other", "");
    request.arguments = vec!["program".to_owned()];
    let run = services.run(request).await;
    assert!(matches!(run.last, Some(ExecuteEvent::Failed(error)) if error.kind == ErrorKind::Internal));
    // The job was given back.
    assert_eq!(
        services.run(services.script("third", "true")).await.result().exit_code,
        Some(0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_takes_its_tree_along_and_no_other() {
    let services = Services::start(2).await;
    let gate = services.path("gate");
    fifo(&gate);
    let mut other = services
        .execute(services.script("other", &format!("read x <{gate}")))
        .await;
    next_start(&mut other).await;
    let tree = "sleep 1000 & echo $!; setsid sh -c 'echo $$; exec sleep 1000' & wait";
    let mut events = services.execute(services.script("root", tree)).await;
    let mut pids = vec![next_start(&mut events).await];
    while pids.len() < 3 {
        match events.next().await {
            Some(Ok(ExecuteEvent::Stdout(pid))) => pids.push(String::from_utf8(pid).unwrap().parse().unwrap()),
            other => panic!("{other:?}"),
        }
    }
    drop(events);
    // The next one gets the job when the tree is gone.
    let next = services.run(services.script("next", "true")).await;
    assert_eq!(next.result().exit_code, Some(0));
    for pid in pids {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid}");
    }
    release(gate).await;
    assert!(matches!(other.next().await, Some(Ok(ExecuteEvent::Finished(_)))));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_waits_and_goes_away_is_forgotten() {
    let services = Services::start(1).await;
    let gate = services.path("gate");
    fifo(&gate);
    let mut first = services
        .execute(services.script("first", &format!("read x <{gate}")))
        .await;
    next_start(&mut first).await;
    let witness = services.path("witness");
    let waiting = services
        .execute(services.script("waiting", &format!("touch {witness}")))
        .await;
    drop(waiting);
    release(gate).await;
    assert_eq!(
        services.run(services.script("last", "true")).await.result().exit_code,
        Some(0)
    );
    assert!(!Path::new(&witness).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_budget_holds_for_all_clients_and_the_urgent_are_first() {
    let services = Services::start(2).await;
    let action = |name: &str| {
        let gate = services.path(name);
        fifo(&gate);
        services.script(name, &format!("read x <{gate}"))
    };
    let mut streams = Vec::new();
    for (name, priority) in [("a", 0), ("b", 0)] {
        let mut events = services.execute_with_priority(action(name), priority).await;
        next_start(&mut events).await;
        streams.push(events);
    }
    for (waiting, (name, priority)) in [("low", 1), ("high", 9), ("middle", 5)].into_iter().enumerate() {
        streams.push(services.execute_with_priority(action(name), priority).await);
        // A request is counted when it was read, which is soon after it was written.
        let expected = u32::try_from(waiting + 1).unwrap();
        while services.status().await.waiting < expected {
            tokio::task::yield_now().await;
        }
    }
    let status = services.status().await;
    assert_eq!(
        (status.jobs, status.running, status.waiting, status.started),
        (2, 2, 3, 2)
    );
    // One goes, one comes.
    for (released, next, waiting) in [("a", 3, 2), ("b", 4, 1), ("high", 2, 0)] {
        release(services.path(released)).await;
        next_start(&mut streams[next]).await;
        let status = services.status().await;
        assert_eq!((status.running, status.waiting), (2, waiting));
    }
    release(services.path("middle")).await;
    release(services.path("low")).await;
    for mut events in streams {
        while let Some(event) = events.next().await {
            event.unwrap();
        }
    }
    let status = services.status().await;
    assert_eq!((status.running, status.waiting, status.started), (0, 0, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_kills_what_runs_and_starting_clears_what_was_left() {
    let services = Services::start(1).await;
    let mut events = services
        .execute(services.script("root", "sleep 1000 & echo $!; wait"))
        .await;
    let main = next_start(&mut events).await;
    let Some(Ok(ExecuteEvent::Stdout(child))) = events.next().await else {
        panic!("no child")
    };
    let child = String::from_utf8(child).unwrap();
    let exec = services.home.exec();
    let dir = services.stop().await;
    for pid in [main.to_string(), child] {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid}");
    }
    // As if it had been killed.
    fs::create_dir_all(exec.join("left/over")).unwrap();
    let services = Services::start_in(dir, 1).await;
    assert_eq!(
        services.run(services.script("left", "true")).await.result().exit_code,
        Some(0)
    );
    services.stop().await;
    assert!(!exec.exists() || exec.read_dir_utf8().unwrap().next().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_gone_is_told() {
    let services = Services::start(1).await;
    let listener = Listener::bind(&Endpoint::free_port()).unwrap();
    let exec = listener.endpoint().clone();
    let unused = Listener::bind(&Endpoint::free_port()).unwrap();
    let config = Config {
        home: VxHome::new(services.path("other")),
        jobs: 1,
        cas: unused.endpoint().clone(),
    };
    drop(unused);
    let shutdown = services.shutdown.clone();
    let execd = tokio::spawn(vx_execd::serve(
        config,
        listener,
        services.credentials.clone(),
        shutdown,
    ));
    let services = Services { exec, ..services };
    let run = services.run(services.script("root", "echo output")).await;
    let Some(ExecuteEvent::Failed(error)) = run.last else {
        panic!("{run:?}")
    };
    assert_eq!(error.kind, ErrorKind::Unavailable);
    services.stop().await;
    execd.await.unwrap().unwrap();
}
