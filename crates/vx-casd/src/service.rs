//! The store as a service: the `Cas` trait over rapace.
//!
//! Every call runs on a thread for blocking work. Work on whole files takes a permit first, one for each processor: a
//! burst of large files must neither starve the small calls nor start hundreds of threads.

use std::num::NonZero;
use std::sync::Arc;

use futures::future::try_join_all;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use vx_home::VxHome;
use vx_model::{ActionResult, Digest, InputSet, Key};
use vx_proto::{
    Cas, CasServer, CasStatus, ErrorKind, IngestRequest, Ingested, LinkedBlob, MaterializeRequest, RecordKey, Reply,
    WireError,
};
use vx_transport::{Credentials, Limits, Listener};

use crate::error::StoreError;
use crate::store::Store;

/// What a frame holds besides the blob: its descriptor and the lengths of the encoding.
const FRAME_OVERHEAD: usize = 1 << 10;

/// casd could not serve.
#[derive(Debug, thiserror::Error)]
pub enum CasdError {
    /// The store could not be opened.
    #[error("cannot open the store of `{home}`")]
    Open {
        /// The state directory.
        home: camino::Utf8PathBuf,
        /// Why not.
        source: StoreError,
    },
    /// The last writes may have to be repeated.
    #[error("cannot write the last changes to the store")]
    Flush(#[source] StoreError),
    /// A thread of casd panicked: a bug.
    #[error("a thread of casd failed")]
    Thread(#[from] tokio::task::JoinError),
}

/// Opens the store of `home` and serves it until `shutdown`. Calls in progress are then dropped, and everything done is
/// made durable.
pub async fn serve(
    home: VxHome,
    listener: Listener,
    credentials: Credentials,
    shutdown: CancellationToken,
) -> Result<(), CasdError> {
    let root = home.cas();
    let opened = spawn_blocking(move || Store::open(&root)).await?;
    let store = Arc::new(opened.map_err(|source| CasdError::Open {
        home: home.root().to_owned(),
        source,
    })?);
    let limits = Limits::default();
    let service = Service::new(store.clone(), &limits);
    listener
        .serve(credentials, limits, shutdown, move |_connection, transport| {
            CasServer::new(service.clone()).into_session_dispatcher(transport)
        })
        .await;
    spawn_blocking(move || store.flush()).await?.map_err(CasdError::Flush)
}

#[derive(Debug, Clone)]
struct Service {
    store: Arc<Store>,
    /// Permits for work on whole files.
    bulk: Arc<Semaphore>,
    largest_blob: u64,
}

impl Service {
    fn new(store: Arc<Store>, limits: &Limits) -> Self {
        let permits = std::thread::available_parallelism().map_or(2, NonZero::get);
        Self {
            store,
            bulk: Arc::new(Semaphore::new(permits)),
            largest_blob: limits.frame.saturating_sub(FRAME_OVERHEAD) as u64,
        }
    }

    /// Runs small work.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Store) -> T + Send + 'static) -> Result<T, WireError> {
        let store = self.store.clone();
        let done = spawn_blocking(move || work(&store)).await;
        done.map_err(|error| WireError::from_error(ErrorKind::Internal, &error))
    }

    /// Runs work on whole files once it has a permit.
    async fn run_bulk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, WireError> {
        let permit = self.bulk.clone().acquire_owned().await;
        let done = self.run(move |store| {
            let _permit = permit;
            work(store)
        });
        Ok(done.await??)
    }

    async fn blob(&self, digest: Digest) -> Result<Option<Vec<u8>>, WireError> {
        if digest.size_bytes > self.largest_blob {
            let limit = self.largest_blob;
            return Err(StoreError::TooLarge { digest, limit }.into());
        }
        self.run_bulk(move |store| Ok(store.get_blob(&digest))).await
    }
}

impl Cas for Service {
    async fn status(&self) -> Reply<CasStatus> {
        self.run(Store::status).await.into()
    }

    async fn put_blob(&self, content: Vec<u8>) -> Reply<Digest> {
        self.run_bulk(move |store| store.put_blob(&content)).await.into()
    }

    async fn get_blob(&self, digest: Digest) -> Reply<Option<Vec<u8>>> {
        self.blob(digest).await.into()
    }

    async fn texts_in(&self, digest: Digest, texts: Vec<String>, debug_info: bool) -> Reply<Option<Vec<u64>>> {
        self.run_bulk(move |store| Ok(store.texts_in(&digest, &texts, debug_info)))
            .await
            .into()
    }

    async fn texts_in_tree(&self, root: Digest, texts: Vec<String>, debug_info: bool) -> Reply<Option<Vec<u64>>> {
        self.run_bulk(move |store| Ok(store.texts_in_tree(&root, &texts, debug_info)))
            .await
            .into()
    }

    async fn ingest(&self, requests: Vec<IngestRequest>) -> Reply<Vec<Ingested>> {
        let each = requests
            .into_iter()
            .map(|request| self.run_bulk(move |store| store.ingest(&request)));
        try_join_all(each).await.into()
    }

    async fn materialize(&self, requests: Vec<MaterializeRequest>) -> Reply<Vec<Digest>> {
        // Mostly links, which take microseconds: they need neither permits nor a thread each.
        let done = self.run(move |store| store.materialize(&requests)).await;
        done.and_then(|laid| Ok(laid?)).into()
    }

    async fn release(&self, links: Vec<LinkedBlob>) -> Reply<()> {
        self.run(move |store| store.release(&links)).await.into()
    }

    async fn input_sets(&self, weak: Key) -> Reply<Vec<InputSet>> {
        self.run(move |store| store.input_sets(&weak)).await.into()
    }

    async fn get_result(&self, strong: Key) -> Reply<Option<ActionResult>> {
        self.run(move |store| store.get_result(&strong)).await.into()
    }

    async fn put_result(&self, weak: Key, inputs: InputSet, strong: Key, result: ActionResult) -> Reply<()> {
        let done = self
            .run(move |store| store.put_result(&weak, &inputs, &strong, &result))
            .await;
        done.and_then(|put| Ok(put?)).into()
    }

    async fn get_record(&self, key: RecordKey) -> Reply<Option<Vec<u8>>> {
        self.run(move |store| store.get_record(&key)).await.into()
    }

    async fn put_record(&self, key: RecordKey, value: Vec<u8>) -> Reply<()> {
        let done = self.run(move |store| store.put_record(&key, &value)).await;
        done.and_then(|put| Ok(put?)).into()
    }
}
