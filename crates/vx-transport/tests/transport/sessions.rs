//! Calls of a session: side by side, bounded by their deadlines, and harmless when nobody waits for them any more.

use std::time::Duration;

use rapace::ErrorCode;
use vx_transport::CallError;

use crate::support::{ProbeClient, RawListener, SOON, Setup, StrangeClient, assert_works, over_both};

over_both! {
    async fn requests_run_side_by_side(setup) {
        let service = setup.serve();
        let session = setup.client(&service).await;
        // Each waits for all: one after the other, the first would wait for ever.
        let calls = (0..10).map(|_| {
            let client = ProbeClient::new(session.rpc());
            session.call(SOON, async move { client.meet(10).await })
        });
        for answer in futures::future::join_all(calls).await {
            assert_eq!(answer.unwrap(), 10);
        }
    }

    async fn a_panic_is_an_error_of_one_call(setup) {
        let service = setup.serve();
        let session = setup.client(&service).await;
        let client = ProbeClient::new(session.rpc());
        let error = session.call(SOON, async move { client.panic().await }).await.unwrap_err();
        assert!(matches!(error, CallError::Protocol { code: ErrorCode::Internal, .. }), "{error}");
        assert_works(&session).await;
    }

    async fn a_method_of_another_version_is_an_error_of_one_call(setup) {
        let service = setup.serve();
        let session = setup.client(&service).await;
        let client = StrangeClient::new(session.rpc());
        let error = session.call(SOON, async move { client.unheard_of().await }).await.unwrap_err();
        assert!(matches!(error, CallError::Protocol { .. }), "{error}");
        assert_works(&session).await;
    }

    async fn megabytes_come_through(setup) {
        let service = setup.serve();
        let session = setup.client(&service).await;
        let client = ProbeClient::new(session.rpc());
        let bytes: Vec<u8> = (0..16 << 20).map(|number: u32| number as u8).collect();
        let sent = bytes.clone();
        let echoed = session.call(SOON, async move { client.echo(sent).await }).await;
        assert!(echoed.unwrap() == bytes);
    }

    async fn a_call_has_a_deadline(setup) {
        let service = setup.serve();
        let session = setup.client(&service).await;
        let client = ProbeClient::new(session.rpc());
        let deadline = Duration::from_millis(50);
        let error = session.call(deadline, async move { client.meet(2).await }).await.unwrap_err();
        assert!(matches!(error, CallError::DeadlineExceeded { .. }), "{error}");
        // It waits on in the service, and the session is as it was.
        assert_works(&session).await;
    }

    async fn a_deadline_holds_against_a_peer_that_does_not_read(setup) {
        let listener = RawListener::bind(&setup.endpoint()).await;
        let endpoint = listener.endpoint();
        let (session, mut peer) = tokio::join!(setup.connect(&endpoint), async {
            let mut peer = listener.accept().await;
            peer.greet(&setup).await;
            peer
        });
        let session = session.unwrap();
        // More than any socket buffers: whichever call is written first, the other stands behind it.
        for _ in 0..2 {
            let client = ProbeClient::new(session.rpc());
            let deadline = Duration::from_millis(100);
            let call = session.call(deadline, async move { client.echo(vec![0; 16 << 20]).await });
            let error = call.await.unwrap_err();
            assert!(matches!(error, CallError::DeadlineExceeded { .. }), "{error}");
        }
        // Nobody waits for them; both arrive whole, now that they are read.
        for _ in 0..2 {
            assert!(peer.take_frame().await.len() > 16 << 20);
        }
    }

    async fn a_call_that_is_dropped_while_it_is_written_spoils_nothing(setup) {
        let listener = RawListener::bind(&setup.endpoint()).await;
        let endpoint = listener.endpoint();
        let (session, mut peer) = tokio::join!(setup.connect(&endpoint), async {
            let mut peer = listener.accept().await;
            peer.greet(&setup).await;
            peer
        });
        let session = session.unwrap();
        let client = ProbeClient::new(session.rpc());
        let mut call = Box::pin(session.call(SOON, async move { client.echo(vec![7; 16 << 20]).await }));
        assert!(futures::poll!(call.as_mut()).is_pending());
        // It is under way: its length has come.
        let length = peer.take(4).await;
        drop(call);
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        assert!(length > 16 << 20);
        let content = peer.take(length).await;
        assert!(content.ends_with(&[7; 1 << 20]));

        let client = ProbeClient::new(session.rpc());
        let mut call = Box::pin(session.call(SOON, async move { client.echo(vec![1, 2, 3]).await }));
        assert!(futures::poll!(call.as_mut()).is_pending());
        assert!(peer.take_frame().await.ends_with(&[1, 2, 3]));
    }

    async fn a_call_that_is_dropped_while_it_waits_spoils_nothing(setup) {
        let service = setup.serve();
        let session = setup.client(&service).await;
        for count in 1..=3 {
            let client = ProbeClient::new(session.rpc());
            let mut call = Box::pin(session.call(SOON, async move { client.meet(4).await }));
            assert!(futures::poll!(call.as_mut()).is_pending());
            service.state.until_waiting(count).await;
            drop(call);
        }
        // They run on in the service: this is the fourth.
        let client = ProbeClient::new(session.rpc());
        assert_eq!(session.call(SOON, async move { client.meet(4).await }).await.unwrap(), 4);
    }
}
