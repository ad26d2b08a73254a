//! The store over a real connection, of either kind.

use std::os::unix::fs::DirBuilderExt as _;
use std::time::Duration;

use camino::Utf8Path;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vx_casd::{CasdError, serve};
use vx_home::VxHome;
use vx_model::{ActionResult, Digest, OutputFile, Root, RootedPath};
use vx_proto::{
    CasClient, Content, ErrorKind, IngestRequest, Ingested, MaterializeRequest, PROTOCOL, Placement, RecordKey, Reply,
    WireError,
};
use vx_transport::{Credentials, Endpoint, Limits, Listener, Session, Token};

use crate::fixture::{inputs, key};

const DEADLINE: Duration = Duration::from_secs(60);

/// A service on its own runtime task, and a session with it.
struct Server {
    dir: TempDir,
    session: Session,
    shutdown: CancellationToken,
    serving: JoinHandle<Result<(), CasdError>>,
}

impl Server {
    async fn start(kind: &str) -> Self {
        let dir = TempDir::new().unwrap();
        Self::start_in(dir, kind).await
    }

    async fn start_in(dir: TempDir, kind: &str) -> Self {
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let endpoint = match kind {
            "tcp" => Endpoint::free_port(),
            _ => format!("unix:{root}/run/cas.sock").parse().unwrap(),
        };
        let home = VxHome::new(root);
        // Others may not reach the socket.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(home.run())
            .unwrap();
        let credentials = Credentials {
            token: Token::load_or_create(&home.token()).unwrap(),
            build_version: "test".into(),
            protocol: PROTOCOL,
        };
        let listener = Listener::bind(&endpoint).unwrap();
        let endpoint = listener.endpoint().clone();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve(home, listener, credentials.clone(), shutdown.clone()));
        let session = Session::connect(&endpoint, &credentials, &Limits::default())
            .await
            .unwrap();
        Self {
            dir,
            session,
            shutdown,
            serving,
        }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    async fn call<T, F, Fut>(&self, call: F) -> Result<T, WireError>
    where
        T: Send + 'static,
        F: FnOnce(CasClient) -> Fut,
        Fut: Future<Output = Result<Reply<T>, rapace::RpcError>> + Send + 'static,
    {
        let client = CasClient::new(self.session.rpc());
        self.session.call(DEADLINE, call(client)).await.unwrap().into_result()
    }

    async fn stop(self) -> TempDir {
        self.shutdown.cancel();
        self.serving.await.unwrap().unwrap();
        self.dir
    }
}

/// Every method, answered as the library answers.
async fn everything(kind: &str) {
    let server = Server::start(kind).await;
    let digest = server
        .call(|cas| async move { cas.put_blob(b"small".to_vec()).await })
        .await
        .unwrap();
    assert_eq!(digest, Digest::of(b"small"));
    let read = server
        .call(move |cas| async move { cas.get_blob(digest).await })
        .await
        .unwrap();
    assert_eq!(read, Some(b"small".to_vec()));
    let texts = vec!["mall".to_owned(), "large".to_owned()];
    let found = server
        .call(move |cas| async move { cas.texts_in(digest, texts, true).await })
        .await
        .unwrap();
    assert_eq!(found, Some(vec![1, 0]));

    std::fs::create_dir(server.path("tree")).unwrap();
    std::fs::write(server.path("tree/file"), b"in a tree").unwrap();
    let requests = ["tree", "tree/file", "nothing"].map(|name| IngestRequest {
        path: server.path(name),
        consume: false,
    });
    let ingested = server
        .call(move |cas| async move { cas.ingest(requests.to_vec()).await })
        .await
        .unwrap();
    let [
        Ingested::Tree { root },
        Ingested::File { digest: file, .. },
        Ingested::Absent,
    ] = ingested[..]
    else {
        panic!("{ingested:?}");
    };
    assert_eq!(file, Digest::of(b"in a tree"));

    let missing = Digest::of(b"missing");
    let request = |name: &str, content| MaterializeRequest {
        path: server.path(name),
        content,
        placement: Placement::Copy,
    };
    let lost = Content::File {
        digest: missing,
        is_executable: false,
    };
    let requests = vec![request("out/tree", Content::Tree { root }), request("out/lost", lost)];
    let not_laid = server
        .call(move |cas| async move { cas.materialize(requests).await })
        .await
        .unwrap();
    assert_eq!(not_laid, [missing]);
    assert_eq!(std::fs::read(server.path("out/tree/file")).unwrap(), b"in a tree");

    let result = ActionResult {
        files: vec![OutputFile {
            path: RootedPath::new(Root::Exec, "o"),
            digest,
            is_executable: false,
        }],
        stderr: Some(file),
        duration_ms: 5,
        annotation: b"note".to_vec(),
        ..ActionResult::default()
    };
    let put = result.clone();
    let done = server
        .call(|cas| async move { cas.put_result(key("w"), inputs("A"), key("s"), put).await })
        .await;
    done.unwrap();
    let sets = server
        .call(|cas| async move { cas.input_sets(key("w")).await })
        .await
        .unwrap();
    assert_eq!(sets, [inputs("A")]);
    let found = server
        .call(|cas| async move { cas.get_result(key("s")).await })
        .await
        .unwrap();
    assert_eq!(found, Some(result.clone()));

    let record = RecordKey {
        table: "plan".into(),
        key: "k".into(),
    };
    let (written, read) = (record.clone(), record.clone());
    server
        .call(|cas| async move { cas.put_record(written, b"v".to_vec()).await })
        .await
        .unwrap();
    assert_eq!(
        server
            .call(|cas| async move { cas.get_record(read).await })
            .await
            .unwrap(),
        Some(b"v".to_vec())
    );

    let status = server.call(|cas| async move { cas.status().await }).await.unwrap();
    assert_eq!((status.pid, status.blobs, status.results), (std::process::id(), 3, 1));

    // Another process finds the same.
    let server = Server::start_in(server.stop().await, kind).await;
    let found = server
        .call(|cas| async move { cas.get_result(key("s")).await })
        .await
        .unwrap();
    assert_eq!(found, Some(result));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_over_tcp() {
    everything("tcp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_over_a_unix_socket() {
    everything("unix").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_what_and_why() {
    let server = Server::start("tcp").await;
    let request = IngestRequest {
        path: "relative".into(),
        consume: false,
    };
    let error = server
        .call(|cas| async move { cas.ingest(vec![request]).await })
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Internal);
    assert_eq!(error.message, "\"relative\" is not an absolute path");

    let huge = Digest {
        size_bytes: 1 << 40,
        ..Digest::of(b"")
    };
    let error = server
        .call(move |cas| async move { cas.get_blob(huge).await })
        .await
        .unwrap_err();
    assert!(error.message.contains("too large"), "{error}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_once_are_all_answered() {
    let server = Server::start("tcp").await;
    let calls = (0..200_u32).map(|number| {
        let content = (number % 50).to_le_bytes().repeat(1000);
        let expected = Digest::of(&content);
        let done = server.call(|cas| async move { cas.put_blob(content).await });
        async move { assert_eq!(done.await.unwrap(), expected) }
    });
    futures::future::join_all(calls).await;
    let status = server.call(|cas| async move { cas.status().await }).await.unwrap();
    assert_eq!(status.blobs, 50);
    server.stop().await;
}
