//! One action from request to result.

use std::ffi::OsString;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vx_model::{OutputFile, OutputTree, Root, RootedPath};
use vx_proto::{
    Content, Dispatch, EnvVar, ErrorKind, ExecuteEvent, ExecuteRequest, ExecuteResult, IngestRequest, Ingested,
    InlineFile, LinkedBlob, MaterializeRequest, Placement, WireError,
};

use crate::budget::Permit;
use crate::exec_root::{ExecRoot, ExecRootError};
use crate::executor::{Executor, Store};
use crate::notices::Notice;
use crate::observe::{KnownUses, Scope};
use crate::output::{Line, LineSink, Spool, capture};
use crate::process::{Ended, Exceeded, Launch, Limits, Namespaces, Printed, Process, Running, launch};

/// Where the events of an action go. Once its client is gone, they are dropped.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    sender: mpsc::Sender<ExecuteEvent>,
    cancel: CancellationToken,
}

impl Events {
    /// Sends to `sender` until `cancel` fires.
    pub(crate) fn new(sender: mpsc::Sender<ExecuteEvent>, cancel: CancellationToken) -> Self {
        Self { sender, cancel }
    }

    /// Waits if the client does not keep up.
    async fn send(&self, event: ExecuteEvent) {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => {}
            // An error means that the client is gone, which will cancel the action.
            _ = self.sender.send(event) => {}
        }
    }
}

/// Why an action has no result.
enum Stop {
    Cancelled,
    Failed(WireError),
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Self::Failed(error)
    }
}

impl From<ExecRootError> for Stop {
    fn from(error: ExecRootError) -> Self {
        let kind = match error {
            ExecRootError::Make { .. } | ExecRootError::Read { .. } => ErrorKind::Machine,
            ExecRootError::Outside { .. } | ExecRootError::NotAbsolute { .. } => ErrorKind::Internal,
        };
        Self::Failed(WireError::from_error(kind, &error))
    }
}

/// Runs an action and sends its events to the client. At the last event, the process tree is gone and the path of the
/// exec root is free.
pub(crate) async fn run(executor: Arc<Executor>, request: ExecuteRequest, dispatch: Dispatch, events: Events) {
    let action = Action {
        executor: &executor,
        request: &request,
        dispatch: &dispatch,
        events: &events,
    };
    let (root, last) = action.run().await;
    match last {
        Ok(last) => events.send(last).await,
        Err(Stop::Failed(error)) => events.send(ExecuteEvent::Failed(error)).await,
        Err(Stop::Cancelled) => {}
    }
    if let Some(root) = root {
        drop(executor.tasks.spawn(remove(executor.clone(), request, root)));
    }
}

/// Removes an exec root that was set aside. Links to blobs are removed by the store, which would otherwise find their
/// files changed; if it does not answer, it will.
async fn remove(executor: Arc<Executor>, request: ExecuteRequest, root: ExecRoot) {
    let links = request.inputs.iter().filter_map(|input| {
        Some(LinkedBlob {
            path: root.join(&input.path).ok()?.into_string(),
            digest: input.digest,
            is_executable: input.is_executable,
        })
    });
    if let Err(error) = executor.store.release(links.collect()).await {
        tracing::debug!(%error, "the store did not remove the links of an action");
    }
    executor.in_background(move || root.remove());
}

struct Action<'a> {
    executor: &'a Executor,
    request: &'a ExecuteRequest,
    dispatch: &'a Dispatch,
    events: &'a Events,
}

impl Action<'_> {
    /// The exec root, set aside, if there is one; and the last event.
    async fn run(&self) -> (Option<ExecRoot>, Result<ExecuteEvent, Stop>) {
        let prepared = async { Ok::<_, Stop>((self.wait_for_job().await?, self.make_root().await?)) };
        match prepared.await {
            Ok((permit, mut root)) => {
                let last = self.run_in(&root, permit).await;
                root.set_aside();
                (Some(root), last)
            }
            Err(stop) => (None, Err(stop)),
        }
    }

    async fn wait_for_job(&self) -> Result<Permit, Stop> {
        tokio::select! {
            biased;
            () = self.events.cancel.cancelled() => Err(Stop::Cancelled),
            permit = self.executor.budget.acquire(self.dispatch.priority) => permit.map_err(|_closed| Stop::Cancelled),
        }
    }

    async fn make_root(&self) -> Result<ExecRoot, Stop> {
        let request = self.request.clone();
        match tokio::task::spawn_blocking(move || ExecRoot::make(&request)).await {
            Ok(root) => Ok(root?),
            Err(_ended) => Err(Stop::Cancelled),
        }
    }

    async fn run_in(&self, root: &ExecRoot, permit: Permit) -> Result<ExecuteEvent, Stop> {
        let missing = self.executor.store.materialize(self.inputs(root)?).await?;
        if !missing.is_empty() {
            return Ok(ExecuteEvent::MissingInputs(missing));
        }
        if self.events.cancel.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        let stamp_ns = root.stamp_ns()?;
        let running = launch(self.launch(root, &permit)?)
            .await
            .map_err(|error| WireError::from_error(ErrorKind::Machine, &error))?;
        self.executor.count_start();
        let pid = running.process.id();
        self.events.send(ExecuteEvent::Started { pid, stamp_ns }).await;
        let (ended, stdout, stderr) = self.attend(root, running, permit).await?;
        Ok(ExecuteEvent::Finished(self.result(root, ended, stdout, stderr).await?))
    }

    fn inputs(&self, root: &ExecRoot) -> Result<Vec<MaterializeRequest>, Stop> {
        let inputs = self.request.inputs.iter().map(|input| {
            Ok(MaterializeRequest {
                path: root.join(&input.path)?.into_string(),
                content: Content::File {
                    digest: input.digest,
                    is_executable: input.is_executable,
                },
                placement: Placement::Link,
            })
        });
        inputs.collect()
    }

    fn launch(&self, root: &ExecRoot, permit: &Permit) -> Result<Launch, Stop> {
        let request = self.request;
        let program = self.program(root)?;
        let mut arguments = request.arguments.clone();
        arguments[0] = program.to_string();
        let jobserver = permit.jobserver();
        let tmpdir = root.tmp();
        let mut added = jobserver.environment;
        added.push(("TMPDIR".to_owned(), tmpdir.to_string()));
        let mut environment: Vec<(OsString, OsString)> = request
            .environment
            .iter()
            .filter(|variable| added.iter().all(|(name, _)| *name != variable.name))
            .map(EnvVar::unescaped)
            .collect();
        environment.extend(added.into_iter().map(|(name, value)| (name.into(), value.into())));
        let namespaces = self.namespaces(root)?;
        let known = match &namespaces {
            Some(namespaces) if self.may_know_uses() => Some(self.known_uses(root, namespaces)?),
            _ => None,
        };
        Ok(Launch {
            label: self.dispatch.label.clone(),
            program,
            arguments,
            environment,
            working_directory: Utf8PathBuf::from(&request.working_directory),
            tmpdir,
            descriptors: jobserver.descriptors,
            observe: request.observe.then(|| self.scope(root, namespaces.as_ref())),
            known,
            only_traced: false,
            namespaces,
        })
    }

    /// For whoever starts many programs, as build scripts do, and finds there what is needed for it.
    fn may_know_uses(&self) -> bool {
        let request = self.request;
        KnownUses::ARE_POSSIBLE && request.observe && request.containment.is_some() && !request.rustc_json
    }

    fn known_uses(&self, root: &ExecRoot, namespaces: &Namespaces) -> Result<Arc<KnownUses>, Stop> {
        let trees = self
            .request
            .output_trees
            .iter()
            .map(|tree| Utf8PathBuf::from(&tree.path));
        let own = trees.chain([root.tmp()]).filter_map(|own| {
            let real = own.canonicalize_utf8().ok()?;
            Some(namespaces.view.seen(&real).unwrap_or(real))
        });
        let path = root.known();
        match KnownUses::create(&path, &own.collect::<Vec<_>>()) {
            Ok(known) => Ok(Arc::new(known)),
            Err(source) => Err(ExecRootError::Make { path, source }.into()),
        }
    }

    fn namespaces(&self, root: &ExecRoot) -> Result<Option<Namespaces>, Stop> {
        let request = self.request;
        let Some(containment) = &request.containment else {
            return Ok(None);
        };
        let own = self.own_directories(root)?;
        let changes = root.changes();
        let known = self.may_know_uses().then(|| root.known());
        let namespaces =
            Namespaces::new(containment, &own, &root.tmp(), &changes, known.as_deref()).map_err(|error| {
                let message = format!("cannot contain `{}`", self.dispatch.label);
                WireError::new(ErrorKind::Machine, message).caused_by(&error)
            })?;
        Ok(Some(namespaces))
    }

    /// What it may change.
    fn own_directories(&self, root: &ExecRoot) -> Result<Vec<Utf8PathBuf>, Stop> {
        let mut own = vec![root.tmp()];
        own.extend(
            self.request
                .output_trees
                .iter()
                .map(|tree| Utf8PathBuf::from(&tree.path)),
        );
        for directory in &self.request.output_directories {
            own.push(root.join(directory)?);
        }
        Ok(own)
    }

    /// Waits until a contained process takes more than it may. Never returns otherwise.
    async fn exceeded(&self, process: &Process, directories: Vec<Utf8PathBuf>) -> Exceeded {
        if self.request.containment.is_none() {
            return std::future::pending().await;
        }
        let limits = Limits::new(&self.dispatch.limits, &self.executor.directory);
        limits.watch(process, directories).await
    }

    fn program(&self, root: &ExecRoot) -> Result<Utf8PathBuf, Stop> {
        let refuse = |message: String| Stop::Failed(WireError::new(ErrorKind::Internal, message));
        match self.request.arguments.first().map(String::as_str) {
            Some(absolute) if absolute.starts_with('/') => Ok(Utf8PathBuf::from(absolute)),
            Some(relative) if relative.starts_with("./") => Ok(root.join(&relative[2..])?),
            Some(other) => Err(refuse(format!(
                "the program `{other}` is neither absolute nor in the exec root"
            ))),
            None => Err(refuse("a command without a program".to_owned())),
        }
    }

    /// What an observation leaves out, with symbolic links resolved, because the kernel reports the working directory
    /// that way.
    fn scope(&self, root: &ExecRoot, namespaces: Option<&Namespaces>) -> Scope {
        let trees = self.request.output_trees.iter().map(|tree| Utf8Path::new(&tree.path));
        let own = trees.chain([root.path()]).flat_map(|own| {
            let real = own.canonicalize_utf8().unwrap_or_else(|_| own.to_owned());
            [own.to_owned(), real]
        });
        let mut own: Vec<Utf8PathBuf> = own.collect();
        own.extend(namespaces.iter().flat_map(|namespaces| namespaces.masked.clone()));
        let foreign = namespaces.iter().flat_map(|namespaces| {
            let seen_elsewhere = namespaces.view.directories();
            namespaces.kept.iter().chain(seen_elsewhere).cloned()
        });
        Scope {
            own,
            foreign: foreign.collect(),
            view: namespaces.map(|namespaces| namespaces.view.clone()).unwrap_or_default(),
        }
    }

    /// Passes on what a process prints until it has ended, and kills it if the client disconnects.
    async fn attend(
        &self,
        root: &ExecRoot,
        running: Running,
        mut permit: Permit,
    ) -> Result<(Ended, Spool, Spool), Stop> {
        let Running {
            process,
            stdout,
            stderr,
            mut ended,
        } = running;
        let is_over = CancellationToken::new();
        let mut directories = self.own_directories(root)?;
        directories.push(root.changes());
        let mut exceeded = None;
        let printed = Printed::default();
        let wait = async {
            let ended = tokio::select! {
                biased;
                ended = &mut ended => ended,
                () = self.events.cancel.cancelled() => {
                    process.kill();
                    ended.await
                }
                limit = self.exceeded(&process, directories) => {
                    exceeded = Some(limit);
                    process.kill();
                    ended.await
                }
                limit = printed.exceeded() => {
                    exceeded = Some(limit);
                    process.kill();
                    ended.await
                }
            };
            is_over.cancel();
            let was_killed = ended
                .as_ref()
                .map_or(true, |ended| ended.signal.is_some() || ended.leftovers > 0);
            if was_killed {
                permit.set_lossy();
            }
            // Before the outputs are taken in, which needs no job: that is the store's work.
            drop(permit);
            ended
        };
        let spool = || Spool::new(&self.executor.directory);
        let (ended, stdout, stderr) = tokio::join!(
            wait,
            capture(stdout, spool(), self.stdout_sink(&printed), &is_over),
            capture(stderr, spool(), self.stderr_sink(root, &printed), &is_over),
        );
        if self.events.cancel.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        if let Some(exceeded) = exceeded {
            let message = format!("{} was stopped: {exceeded}", self.dispatch.label);
            let stopped = WireError::new(ErrorKind::BuildFailed, message);
            return Err(match exceeded.setting() {
                Some(name) => stopped.with_help(format!("to allow more, set `{name}` in `[sandbox]` of `.vx.toml`")),
                None => stopped,
            }
            .into());
        }
        let broken = |error: &dyn std::error::Error| {
            let message = format!("cannot read the output of `{}`", self.dispatch.label);
            WireError::new(ErrorKind::Machine, message).caused_by(error)
        };
        let ended = ended.map_err(|error| broken(&error))?;
        let stdout = stdout.map_err(|error| broken(&error))?;
        let stderr = stderr.map_err(|error| broken(&error))?;
        Ok((ended, stdout, stderr))
    }

    fn stdout_sink<'a>(&'a self, printed: &'a Printed) -> StdoutSink<'a> {
        StdoutSink {
            events: self.events,
            printed,
        }
    }

    fn stderr_sink<'a>(&'a self, root: &'a ExecRoot, printed: &'a Printed) -> StderrSink<'a> {
        StderrSink {
            events: self.events,
            printed,
            store: &self.executor.store,
            notices_below: self.request.rustc_json.then(|| root.path()),
            request: self.request,
        }
    }

    async fn result(&self, root: &ExecRoot, ended: Ended, stdout: Spool, stderr: Spool) -> Result<ExecuteResult, Stop> {
        let mut result = ExecuteResult {
            exit_code: ended.exit_code,
            signal: ended.signal,
            files: Vec::new(),
            inline: Vec::new(),
            trees: Vec::new(),
            stdout: None,
            stderr: None,
            duration_ms: u64::try_from(ended.duration.as_millis()).unwrap_or(u64::MAX),
            observation: ended.observation,
            network: ended.reach.network,
            services: ended.reach.services,
            left_view: ended.reach.left_view,
        };
        if ended.exit_code == Some(0) {
            let unreadable = |error: std::io::Error| WireError::from_error(ErrorKind::Machine, &error);
            let store = &self.executor.store;
            result.stdout = stdout.finish().await.map_err(unreadable)?.store_in(store).await?;
            result.stderr = stderr.finish().await.map_err(unreadable)?.store_in(store).await?;
            result.inline = self.inline_files(root)?;
            result.files = self.files(root).await?;
            result.trees = self.trees().await?;
        }
        Ok(result)
    }

    /// Reads and removes the inline files, so that they are not taken in.
    fn inline_files(&self, root: &ExecRoot) -> Result<Vec<InlineFile>, Stop> {
        let mut files = Vec::new();
        for path in &self.request.inline_files {
            let absolute = root.join(path)?;
            let content = match std::fs::read(&absolute) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                content => content.and_then(|content| std::fs::remove_file(&absolute).map(|()| content)),
            };
            let content = content.map_err(|source| ExecRootError::Read {
                path: path.into(),
                source,
            })?;
            files.push(InlineFile {
                path: path.clone(),
                content,
            });
        }
        Ok(files)
    }

    /// Takes in the regular files directly in the output directories.
    async fn files(&self, root: &ExecRoot) -> Result<Vec<OutputFile>, Stop> {
        let mut paths = Vec::new();
        for directory in &self.request.output_directories {
            let names = file_names(&root.join(directory)?).map_err(|source| ExecRootError::Read {
                path: directory.into(),
                source,
            })?;
            paths.extend(
                names
                    .into_iter()
                    .map(|name| Utf8Path::new(directory).join(name).into_string()),
            );
        }
        paths.sort();
        let mut requests = Vec::new();
        for path in &paths {
            requests.push(IngestRequest {
                path: root.join(path)?.into_string(),
                consume: true,
            });
        }
        let answers = self.executor.store.ingest(requests).await?;
        let files = paths
            .into_iter()
            .zip(answers)
            .filter_map(|(path, answer)| as_file(path, &answer));
        Ok(files.collect())
    }

    async fn trees(&self) -> Result<Vec<OutputTree>, Stop> {
        let requests = self.request.output_trees.iter().map(|tree| IngestRequest {
            path: tree.path.clone(),
            consume: false,
        });
        let answers = self.executor.store.ingest(requests.collect()).await?;
        let trees = self
            .request
            .output_trees
            .iter()
            .zip(answers)
            .filter_map(|(tree, answer)| match answer {
                Ingested::Tree { root } => Some(OutputTree {
                    path: tree.name.clone(),
                    root,
                }),
                Ingested::File { .. } | Ingested::Absent => None,
            });
        let mut trees: Vec<OutputTree> = trees.collect();
        trees.sort();
        Ok(trees)
    }
}

/// Standard output goes to the client line by line.
struct StdoutSink<'a> {
    events: &'a Events,
    printed: &'a Printed,
}

impl LineSink for StdoutSink<'_> {
    async fn line(&mut self, line: &Line) -> bool {
        let is_allowed = self.printed.add(line.bytes.len());
        if is_allowed {
            self.events.send(ExecuteEvent::Stdout(line.bytes.clone())).await;
        }
        is_allowed
    }
}

/// So does standard error, except rustc's notices, which become outputs.
struct StderrSink<'a> {
    events: &'a Events,
    printed: &'a Printed,
    store: &'a Store,
    /// The exec root, where notices are expected.
    notices_below: Option<&'a Utf8Path>,
    request: &'a ExecuteRequest,
}

impl LineSink for StderrSink<'_> {
    async fn line(&mut self, line: &Line) -> bool {
        if let Some(root) = self.notices_below
            && let Some(notice) = Notice::parse(&line.bytes)
        {
            if notice.is_metadata() && !self.names_view(root) {
                self.deliver(root, &notice).await;
            }
            return false;
        }
        let is_allowed = self.printed.add(line.bytes.len());
        if is_allowed {
            self.events.send(ExecuteEvent::Stderr(line.bytes.clone())).await;
        }
        is_allowed
    }
}

impl StderrSink<'_> {
    /// Whether a file that is returned with the result already names a directory that the process finds elsewhere than
    /// it is. Then the process may have to run again, so nothing of it is delivered early.
    fn names_view(&self, root: &Utf8Path) -> bool {
        let view = self
            .request
            .containment
            .iter()
            .flat_map(|containment| &containment.view);
        let seen: Vec<&[u8]> = view.map(|mount| mount.at.as_bytes()).collect();
        let names_one = |text: Vec<u8>| seen.iter().any(|at| memchr::memmem::find(&text, at).is_some());
        let mut files = self
            .request
            .inline_files
            .iter()
            .map(|path| std::fs::read(root.join(path)));
        !seen.is_empty() && files.any(|text| text.is_ok_and(names_one))
    }

    /// Takes in a file while the compiler still runs. If that fails, dependents wait for the end of the action.
    async fn deliver(&self, root: &Utf8Path, notice: &Notice) {
        let Some(path) = below(root, &notice.artifact) else {
            return;
        };
        match self.store.ingest_one(&notice.artifact, false).await {
            Ok(answer) => {
                if let Some(file) = as_file(path.to_owned(), &answer) {
                    self.events.send(ExecuteEvent::Output(file)).await;
                }
            }
            Err(error) => tracing::warn!(%error, artifact = notice.artifact, "cannot deliver metadata early"),
        }
    }
}

/// `path` relative to `root`.
fn below<'a>(root: &Utf8Path, path: &'a str) -> Option<&'a str> {
    Utf8Path::new(path).strip_prefix(root).ok().map(Utf8Path::as_str)
}

/// An output at `path`, relative to the exec root.
fn as_file(path: String, answer: &Ingested) -> Option<OutputFile> {
    match answer {
        Ingested::File { digest, is_executable } => Some(OutputFile {
            path: RootedPath::new(Root::Exec, path),
            digest: *digest,
            is_executable: *is_executable,
        }),
        Ingested::Tree { .. } | Ingested::Absent => None,
    }
}

/// The names of the regular files in a directory.
fn file_names(directory: &Utf8Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in directory.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}
