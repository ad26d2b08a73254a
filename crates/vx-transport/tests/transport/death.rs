//! The end of either side is seen at once by the other.

use futures::FutureExt as _;
use vx_transport::{CallError, ConnectError};

use crate::support::{ProbeClient, SOON, Setup, assert_works, over_both};

over_both! {
    async fn calls_under_way_end_when_the_service_dies(setup) {
        let service = setup.serve();
        let session = setup.client(&service).await;
        let calls: Vec<_> = (0..3)
            .map(|_| {
                let client = ProbeClient::new(session.rpc());
                session.call(10 * SOON, async move { client.meet(4).await })
            })
            .collect();
        let dying = async {
            service.state.until_waiting(3).await;
            service.kill();
        };
        let (answers, ()) = tokio::join!(futures::future::join_all(calls), dying);
        for answer in answers {
            assert!(matches!(answer, Err(CallError::Unavailable { .. })), "{answer:?}");
        }
        session.closed().await;
        assert!(session.is_closed());
        // And so do later ones.
        let client = ProbeClient::new(session.rpc());
        let late = session.call(10 * SOON, async move { client.meet(1).await }).await;
        assert!(matches!(late, Err(CallError::Unavailable { .. })), "{late:?}");
    }

    async fn an_orderly_end_closes_every_connection(setup) {
        let service = setup.serve();
        let sessions = [setup.client(&service).await, setup.client(&service).await];
        service.shutdown.cancel();
        for session in &sessions {
            session.closed().await;
        }
        let refused = setup.connect(&service.endpoint).await.unwrap_err();
        assert!(matches!(refused, ConnectError::Absent { .. } | ConnectError::Io { .. }), "{refused}");
    }

    async fn the_service_learns_that_a_client_is_gone(setup) {
        let service = setup.serve();
        let closed = setup.client(&service).await;
        let dropped = setup.client(&service).await;
        let stays = setup.client(&service).await;
        let connections = service.state.connections();
        assert!(connections.iter().all(|connection| connection.closed().cancelled().now_or_never().is_none()));
        closed.close();
        drop(dropped);
        connections[0].closed().cancelled().await;
        connections[1].closed().cancelled().await;
        assert!(connections[2].closed().cancelled().now_or_never().is_none());
        assert_works(&stays).await;

        let client = ProbeClient::new(closed.rpc());
        let late = closed.call(SOON, async move { client.meet(1).await }).await;
        assert!(matches!(late, Err(CallError::Unavailable { .. })), "{late:?}");
    }

    async fn where_nobody_listens_that_is_said(setup) {
        let service = setup.serve();
        let endpoint = service.endpoint.clone();
        service.shutdown.cancel();
        // The listener is gone before its connections are.
        let absent = loop {
            match setup.connect(&endpoint).await {
                Err(ConnectError::Absent { .. }) => break true,
                _ => tokio::task::yield_now().await,
            }
        };
        assert!(absent);
    }
}
