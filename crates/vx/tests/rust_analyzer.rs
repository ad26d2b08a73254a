//! Editors: rust-analyzer with vx instead of cargo, for diagnostics (`check.overrideCommand`) and for what build
//! scripts and macros make (`buildScripts.overrideCommand`).
//!
//! The real rust-analyzer of the toolchain is asked where it is installed. What it reads of the messages is checked in any
//! case.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use harness::TestEnv;
use lsp_server::{Message, Notification, Request, RequestId};
use serde_json::{Value, json};

/// A cold rust-analyzer loads the standard library first, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(120);

/// What rust-analyzer runs, both for diagnostics and for build scripts.
const CHECK: [&str; 6] = [
    "check",
    "--quiet",
    "--workspace",
    "--all-targets",
    "--keep-going",
    "--message-format=json",
];

/// A program that uses what its build script and a macro make.
const MAIN: &str = "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n\
                    macros::make!();\n\
                    fn main() {\n    let both = by_the_script() + by_the_macro();\n    println!(\"{both}\");\n}\n";

fn project() -> TestEnv {
    let env = TestEnv::new();
    env.write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"macros\"]\n[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [dependencies]\nmacros = { path = \"macros\" }\n",
    );
    env.write(
        "build.rs",
        r#"fn main() {
            let out = std::env::var("OUT_DIR").unwrap();
            std::fs::write(out + "/made.rs", "pub fn by_the_script() -> u64 { 1 }").unwrap();
            println!("cargo::rustc-cfg=special\ncargo::rustc-check-cfg=cfg(special)");
            println!("cargo::rerun-if-changed=build.rs");
        }"#,
    );
    env.write("src/main.rs", MAIN);
    env.write(
        "macros/Cargo.toml",
        "[package]\nname = \"macros\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\nproc-macro = true\n",
    );
    env.write(
        "macros/src/lib.rs",
        "use proc_macro::TokenStream;\n\
         #[proc_macro] pub fn make(_: TokenStream) -> TokenStream { \"fn by_the_macro() -> u64 { 2 }\".parse().unwrap() }\n",
    );
    env
}

fn messages(env: &TestEnv) -> Vec<Value> {
    let outcome = env.vx(CHECK).run();
    let lines = outcome.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect()
}

fn of_reason<'a>(messages: &'a [Value], reason: &str) -> Vec<&'a Value> {
    messages.iter().filter(|message| message["reason"] == reason).collect()
}

#[test]
fn messages_name_what_an_editor_loads() {
    let env = project();
    for _ in ["run", "fresh"] {
        let messages = messages(&env);
        let scripts = of_reason(&messages, "build-script-executed");
        let [script] = scripts.as_slice() else {
            panic!("{messages:#?}")
        };
        assert_eq!(script["cfgs"], json!(["special"]));
        assert!(Path::new(script["out_dir"].as_str().unwrap()).join("made.rs").is_file());

        let artifacts = of_reason(&messages, "compiler-artifact");
        let is_macro = |artifact: &&&Value| artifact["target"]["kind"] == json!(["proc-macro"]);
        let names = artifacts
            .iter()
            .filter(is_macro)
            .flat_map(|artifact| artifact["filenames"].as_array().unwrap());
        let libraries: Vec<&str> = names.filter_map(Value::as_str).collect();
        assert!(!libraries.is_empty(), "{messages:#?}");
        for library in libraries {
            let bytes = std::fs::read(library).unwrap();
            assert!(
                bytes.windows(20).any(|text| text == b"__rustc_proc_macro_d"),
                "{library}"
            );
        }
        assert_eq!(messages.last().unwrap()["success"], true);
    }
    let cargo = env.cargo(CHECK).run().success();
    let cargos: Vec<Value> = cargo
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let packages = |messages: &[Value]| {
        let artifacts = of_reason(messages, "compiler-artifact");
        let mut ids: Vec<String> = artifacts
            .iter()
            .map(|artifact| artifact["package_id"].to_string())
            .collect();
        ids.sort();
        ids
    };
    assert_eq!(
        packages(&messages(&env)),
        packages(&cargos),
        "as cargo metadata names them"
    );
}

#[test]
fn diagnostics_are_cargos() {
    let env = project();
    env.replace("src/main.rs", "by_the_macro()", "by_nobody()");
    let ours = messages(&env);
    let cargo = env.cargo(CHECK).run().code(101);
    let cargos: Vec<Value> = cargo
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let diagnostics = |messages: &[Value]| -> Vec<Value> {
        let found = of_reason(messages, "compiler-message").into_iter();
        found.map(|message| message["message"].clone()).collect()
    };
    let errors = diagnostics(&ours);
    assert!(
        errors.iter().any(|error| error["code"]["code"] == "E0425"),
        "{errors:#?}"
    );
    let mut both = [errors, diagnostics(&cargos)];
    both.iter_mut().for_each(|errors| errors.sort_by_key(Value::to_string));
    assert_eq!(both[0], both[1]);
    assert_eq!(ours.last().unwrap()["success"], false);
}

/// The standard library's sources as a directory without a `Cargo.toml`: of one that has it rust-analyzer has cargo resolve
/// the dependencies, for which cargo asks the registry, and without a network does not see `core`.
fn library_without_manifest(env: &TestEnv, sources: &Path) -> PathBuf {
    let library = env.root().join("library");
    std::fs::create_dir(&library).unwrap();
    for name in ["alloc", "core", "proc_macro", "std", "test"] {
        std::os::unix::fs::symlink(sources.join(name), library.join(name)).unwrap();
    }
    library.into()
}

/// A rust-analyzer that is asked over its standard streams.
struct Analyzer {
    child: Child,
    stdin: ChildStdin,
    messages: Receiver<Message>,
    requests: i32,
    /// How often it said that all it was to load is loaded.
    loads: usize,
    deadline: Instant,
}

impl Analyzer {
    /// That of the toolchain; `None` if it is not installed, or lacks the sources of the standard library, in which it
    /// looks for `include!` and its like.
    fn start(env: &TestEnv) -> Option<Self> {
        let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
        let sysroot = String::from_utf8(sysroot.stdout).unwrap();
        let sysroot = Path::new(sysroot.trim());
        let program = sysroot.join("bin/rust-analyzer");
        let sources = sysroot.join("lib/rustlib/src/rust/library");
        if !program.is_file() || !sources.is_dir() {
            eprintln!("rust-analyzer or rust-src is not installed: nothing is asked");
            return None;
        }
        // With the environment of a vx of this test, so that the vx that it starts is one.
        let vx = env.vx(["status"]).into_command();
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(vx.get_envs().filter_map(|(name, value)| Some((name, value?))));
        // It would have rustup install what it misses.
        command.env("RUSTUP", "/bin/false");
        command
            .current_dir(env.project())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, messages) = mpsc::channel();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            while let Ok(Some(message)) = Message::read(&mut reader) {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut analyzer = Self {
            stdin: child.stdin.take().unwrap(),
            child,
            messages,
            requests: 0,
            loads: 0,
            deadline: Instant::now() + PATIENCE,
        };
        let program = vx.get_program().to_string_lossy().into_owned();
        analyzer.initialize(env, &program, &library_without_manifest(env, &sources));
        Some(analyzer)
    }

    fn initialize(&mut self, env: &TestEnv, vx: &str, library: &Path) {
        let check: Vec<&str> = [vx].into_iter().chain(CHECK).collect();
        let root = format!("file://{}", env.project());
        let id = self.request(
            "initialize",
            json!({
                "processId": std::process::id(),
                "rootUri": root,
                "capabilities": { "experimental": { "serverStatusNotification": true } },
                "workspaceFolders": [{ "uri": root, "name": "project" }],
                "initializationOptions": {
                    "cargo": {
                        "buildScripts": { "enable": true, "overrideCommand": check },
                        "sysrootSrc": library,
                    },
                    "check": { "overrideCommand": check },
                    "procMacro": { "enable": true },
                    "checkOnSave": true,
                },
            }),
        );
        self.answer(&id);
        self.notify("initialized", json!({}));
    }

    fn open(&mut self, env: &TestEnv, file: &str) -> String {
        let uri = format!("file://{}", env.project().join(file));
        let text = std::fs::read_to_string(env.project().join(file)).unwrap();
        let document = json!({ "uri": uri, "languageId": "rust", "version": 1, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": document }));
        uri
    }

    fn send(&mut self, message: Message) {
        message.write(&mut self.stdin).unwrap();
        self.stdin.flush().unwrap();
    }

    fn notify(&mut self, method: &str, params: Value) {
        self.send(Message::Notification(Notification::new(method.to_owned(), params)));
    }

    fn request(&mut self, method: &str, params: Value) -> RequestId {
        self.requests += 1;
        let id = RequestId::from(self.requests);
        self.send(Message::Request(Request::new(id.clone(), method.to_owned(), params)));
        id
    }

    /// None where it says that the answer would be outdated.
    fn answer(&mut self, id: &RequestId) -> Option<Value> {
        self.wait(|message| match message {
            Message::Response(response) if response.id == *id => Some(response.response_result.clone().ok()),
            _ => None,
        })
    }

    fn receive(&mut self) -> Option<Message> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let message = self.messages.recv_timeout(left).ok()?;
        if let Message::Notification(told) = &message
            && told.method == "experimental/serverStatus"
            && told.params["quiescent"] == true
        {
            self.loads += 1;
        }
        Some(message)
    }

    /// Waits for what `wanted` takes of a message.
    fn wait<T>(&mut self, wanted: impl Fn(&Message) -> Option<T>) -> T {
        let mut seen = Vec::new();
        loop {
            let Some(message) = self.receive() else {
                panic!("rust-analyzer did not say what was waited for, but {seen:#?}");
            };
            if let Some(found) = wanted(&message) {
                return found;
            }
            seen.push(message);
        }
    }

    /// What is known of the name at a position. Where nothing is, asked again when more is loaded, which may have been
    /// said before the answer came: sources come first, then what build scripts make, then macros.
    fn hover(&mut self, uri: &str, line: usize, character: usize) -> String {
        let position = json!({ "line": line, "character": character });
        loop {
            let loads = self.loads;
            let id = self.request(
                "textDocument/hover",
                json!({ "textDocument": { "uri": uri }, "position": position }),
            );
            let Some(known) = self.answer(&id) else { continue };
            if let Some(text) = known["contents"]["value"].as_str() {
                return text.to_owned();
            }
            while self.loads == loads {
                let more = self.receive();
                assert!(
                    more.is_some(),
                    "nothing more is loaded, and of {uri}:{line}:{character} is said {known}"
                );
            }
        }
    }
}

impl Drop for Analyzer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn rust_analyzer_knows_what_scripts_and_macros_make_and_shows_what_vx_finds() {
    let env = project();
    let Some(mut analyzer) = Analyzer::start(&env) else {
        return;
    };
    let uri = analyzer.open(&env, "src/main.rs");
    let line = MAIN.lines().position(|line| line.contains("let both")).unwrap();
    let text = MAIN.lines().nth(line).unwrap();
    for name in ["by_the_script", "by_the_macro"] {
        let hover = analyzer.hover(&uri, line, text.find(name).unwrap());
        assert!(hover.contains("-> u64"), "{name}: {hover}");
    }
    env.replace("src/main.rs", "by_the_macro()", "by_nobody()");
    let text = std::fs::read_to_string(env.project().join("src/main.rs")).unwrap();
    let identifier = json!({ "uri": uri, "version": 2 });
    analyzer.notify(
        "textDocument/didChange",
        json!({ "textDocument": identifier, "contentChanges": [{ "text": text }] }),
    );
    analyzer.notify("textDocument/didSave", json!({ "textDocument": { "uri": uri } }));
    analyzer.wait(|message| match message {
        Message::Notification(told) if told.method == "textDocument/publishDiagnostics" => {
            let all = told.params["diagnostics"].as_array()?;
            all.iter()
                .any(|one| one["source"] == "rustc" && one["code"] == "E0425")
                .then_some(())
        }
        _ => None,
    });
}
