//! Whole builds: planned by the real cargo, compiled by a function whose outputs depend on sources and dependencies as
//! those of rustc do. Metadata holds what dependents can see, a program holds everything.

use std::sync::Arc;

use camino::Utf8PathBuf;
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;
use vx_home::VxHome;
use vx_model::{Digest, OutputFile, Root, RootedPath};
use vx_proto::{
    BuildEvent, BuildRequest, BuildSummary, EnvVar, ErrorKind, ExecuteRequest, ExecuteResult, InlineFile,
    MessageFormat, Observation, Selection, WireError,
};

use super::doors;
use super::executor::{FakeExecutor, success};
use super::memory::Memory;
use crate::engine::{Engine, EngineConfig};

/// Variables that are needed to find a toolchain.
const INHERITED: &[&str] = &["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];

/// A workspace: `app`, a program, uses `greet`, which uses `words`.
const FILES: &[(&str, &str)] = &[
    (
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"app\", \"greet\", \"words\"]\n",
    ),
    (
        "app/Cargo.toml",
        "[package]\nname = \"app\"\nedition = \"2024\"\n[dependencies]\ngreet = { path = \"../greet\" }\n",
    ),
    ("app/src/main.rs", "fn main() {}\n"),
    (
        "greet/Cargo.toml",
        "[package]\nname = \"greet\"\nedition = \"2024\"\n[dependencies]\nwords = { path = \"../words\" }\n",
    ),
    ("greet/src/lib.rs", "pub fn greeting() {}\n"),
    ("words/Cargo.toml", "[package]\nname = \"words\"\nedition = \"2024\"\n"),
    ("words/src/lib.rs", "pub fn word() {}\nfn private() {}\n"),
];

/// Stands for rustc.
fn compile(request: &ExecuteRequest, memory: &Memory) -> ExecuteResult {
    let value = |flag: &str| {
        let of_flag = request.arguments.iter().skip_while(|argument| *argument != flag);
        of_flag.skip(1).step_by(usize::MAX).next().cloned().unwrap_or_default()
    };
    let name = value("--crate-name");
    let suffix = request
        .arguments
        .iter()
        .find_map(|argument| argument.strip_prefix("extra-filename="));
    let suffix = suffix.unwrap_or_default();
    let source = request
        .arguments
        .iter()
        .find(|argument| argument.ends_with(".rs"))
        .unwrap();
    let text = std::fs::read_to_string(format!("{}/{source}", request.working_directory)).unwrap();
    if text.contains("compile_error!") {
        return ExecuteResult {
            exit_code: Some(1),
            ..success()
        };
    }
    let dependencies: String = request
        .inputs
        .iter()
        .map(|input| format!("{} {}\n", input.path, input.digest))
        .collect();
    let public: String = text.lines().filter(|line| line.contains("pub ")).collect();
    let is_library = value("--crate-type") == "lib";
    let output = |path: String, content: &str| OutputFile {
        path: RootedPath::new(Root::Exec, path),
        digest: memory.put(content.as_bytes()),
        is_executable: !is_library,
    };
    let files = match is_library {
        true => vec![
            output(format!("out/lib{name}{suffix}.rlib"), &format!("rlib {name} {text}")),
            output(
                format!("out/lib{name}{suffix}.rmeta"),
                &format!("rmeta {name} {public}"),
            ),
        ],
        false => vec![output(
            format!("out/{name}{suffix}"),
            &format!("program {name} {text}{dependencies}"),
        )],
    };
    let inline = InlineFile {
        path: request.inline_files[0].clone(),
        content: format!("out: {source}\n\n{source}:\n").into_bytes(),
    };
    ExecuteResult {
        files,
        inline: vec![inline],
        network: false,
        services: false,
        left_view: false,
        observation: match request.observe {
            true => Observation::Complete(Vec::new()),
            false => Observation::NotAsked,
        },
        ..success()
    }
}

struct World {
    _directory: tempfile::TempDir,
    root: Utf8PathBuf,
    memory: Arc<Memory>,
    executor: Arc<FakeExecutor>,
    engine: Arc<Engine>,
}

/// The outcome of a build.
#[derive(Debug)]
struct Built {
    summary: Result<BuildSummary, WireError>,
    /// Names of the crates that were compiled, sorted.
    compiled: Vec<String>,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(directory.path().canonicalize().unwrap()).unwrap();
        let memory = Arc::new(Memory::default());
        let (doors, executor) = doors(&memory, compile);
        let config = EngineConfig {
            home: VxHome::new(root.join("home")),
            downloads: root.join("downloads"),
            jobs: 2,
        };
        let world = Self {
            engine: Engine::new(config, &doors),
            _directory: directory,
            root,
            memory,
            executor,
        };
        world.check_out("project");
        world
    }

    /// Writes the workspace to a directory with this name.
    fn check_out(&self, name: &str) {
        for (path, text) in FILES {
            self.write(&format!("{name}/{path}"), text);
        }
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn request(&self, name: &str) -> BuildRequest {
        let variables = std::env::vars().filter(|(name, _)| INHERITED.contains(&name.as_str()));
        let mut environment: Vec<EnvVar> = variables.map(|(name, value)| EnvVar { name, value }).collect();
        environment.sort();
        BuildRequest {
            directory: self.root.join(name).into_string(),
            environment,
            toolchain: None,
            selection: Selection::default(),
            jobs: None,
            strict: false,
            keep_going: false,
            message_format: MessageFormat::Human,
            verbose: false,
        }
    }

    async fn build(&self, name: &str) -> Built {
        self.executor.take_requests();
        let (sender, mut events) = unbounded_channel();
        self.engine
            .build(self.request(name), sender, CancellationToken::new())
            .await;
        let mut last = None;
        while let Some(event) = events.recv().await {
            last = Some(event);
        }
        let summary = match last {
            Some(BuildEvent::Finished(summary)) => Ok(summary),
            Some(BuildEvent::Failed(error)) => Err(error),
            other => panic!("a build ended with {other:?}"),
        };
        self.engine.settle().await;
        let crate_name = |request: ExecuteRequest| request.arguments[2].clone();
        let mut compiled: Vec<String> = self.executor.take_requests().into_iter().map(crate_name).collect();
        compiled.sort();
        Built { summary, compiled }
    }

    async fn build_well(&self, name: &str) -> Vec<String> {
        let built = self.build(name).await;
        assert!(built.summary.is_ok(), "{:?}", built.summary);
        built.compiled
    }

    /// The content of the final program.
    fn program(&self, name: &str) -> String {
        std::fs::read_to_string(self.root.join(name).join(".vx/build/debug/app")).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_compiled_once_and_then_the_store_is_not_asked() {
    let world = World::new();
    assert_eq!(world.build_well("project").await, ["app", "greet", "words"]);
    world.memory.take_asked();
    // The short cut: the answers of the last build still hold.
    let again = world.build("project").await;
    assert_eq!(again.compiled, [""; 0]);
    assert_eq!(again.summary.unwrap().fresh, 3);
    assert_eq!(world.memory.take_asked(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_checkout_runs_nothing_and_its_program_is_the_same() {
    let world = World::new();
    world.build_well("project").await;
    world.check_out("elsewhere/deeper");
    let again = world.build("elsewhere/deeper").await;
    assert_eq!(again.compiled, [""; 0]);
    assert_eq!(again.summary.unwrap().cached, 3);
    assert_eq!(world.program("project"), world.program("elsewhere/deeper"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dependents_cannot_see_does_not_make_them_run() {
    let world = World::new();
    world.build_well("project").await;
    world.write(
        "project/words/src/lib.rs",
        "pub fn word() {}\nfn private() { /* edited */ }\n",
    );
    // `greet` needs the metadata of `words` alone; the program is linked to both.
    assert_eq!(world.build_well("project").await, ["app", "words"]);
    world.write("project/words/src/lib.rs", "pub fn words() {}\nfn private() {}\n");
    assert_eq!(world.build_well("project").await, ["app", "greet", "words"]);
    world.write("project/words/src/lib.rs", FILES[6].1);
    assert_eq!(world.build_well("project").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_blob_is_built_again() {
    let world = World::new();
    world.build_well("project").await;
    assert_eq!(world.memory.lose(|blob| blob.starts_with(b"rlib words")), 1);
    world.write("project/app/src/main.rs", "fn main() { /* edited */ }\n");
    assert_eq!(world.build_well("project").await, ["app", "words"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_reported_and_never_published() {
    let world = World::new();
    world.write("project/greet/src/lib.rs", "compile_error!(\"no\")\n");
    for _ in 0..2 {
        let built = world.build("project").await;
        assert_eq!(built.summary.unwrap_err().kind, ErrorKind::BuildFailed);
        assert!(built.compiled.contains(&"greet".to_owned()), "{:?}", built.compiled);
        assert!(!built.compiled.contains(&"app".to_owned()), "{:?}", built.compiled);
    }
    let of_greet = |result: &vx_model::ActionResult| result.files.iter().any(|file| file.path.path.contains("greet"));
    assert!(!world.memory.results().iter().any(of_greet));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_build_ends_its_processes_and_no_other_build() {
    let world = Arc::new(World::new());
    // Planned before, so that both builds reach `words` at once.
    world.build_well("project").await;
    world.write("project/words/src/lib.rs", "pub fn other() {}\n");
    world.check_out("elsewhere");
    world.write("elsewhere/words/src/lib.rs", "pub fn other() {}\n");
    world.executor.close_gate();
    let cancel = CancellationToken::new();
    let build = |name: &'static str, cancel: CancellationToken| {
        let world = world.clone();
        tokio::spawn(async move {
            let (sender, mut events) = unbounded_channel();
            world.engine.build(world.request(name), sender, cancel).await;
            let mut last = None;
            while let Some(event) = events.recv().await {
                last = Some(event);
            }
            last
        })
    };
    let first = build("project", cancel.clone());
    world.executor.started(4).await;
    let second = build("elsewhere", CancellationToken::new());
    cancel.cancel();
    let last = first.await.unwrap();
    assert!(
        matches!(&last, Some(BuildEvent::Failed(error)) if error.kind == ErrorKind::Cancelled),
        "{last:?}"
    );
    world.executor.started(5).await;
    assert_eq!(world.executor.cancelled(), 1);
    world.executor.open_gate();
    let last = second.await.unwrap();
    assert!(matches!(last, Some(BuildEvent::Finished(_))), "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_stored_result_holds_an_absolute_path() {
    let world = World::new();
    world.build_well("project").await;
    assert!(world.memory.result_count() > 3);
    for result in world.memory.results() {
        let encoded = result.encode();
        let holds = |text: &str| memchr::memmem::find(&encoded, text.as_bytes()).is_some();
        assert!(!holds(world.root.as_str()), "{result:?}");
        assert!(
            !result.files.iter().any(|file| file.path.path.ends_with(".d")),
            "{result:?}"
        );
        assert_ne!(result.files.first().map(|file| file.digest), Some(Digest::of(b"")));
    }
}
