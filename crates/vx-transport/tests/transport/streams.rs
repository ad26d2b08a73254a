//! Streams: complete, cancelled by dropping, and in nobody's way.

use std::sync::atomic::Ordering;

use futures::StreamExt as _;
use vx_transport::CallError;

use crate::support::{ProbeClient, Setup, assert_works, over_both};

over_both! {
    async fn a_stream_ends_when_it_is_complete(setup) {
        let service = setup.serve();
        let session = setup.client(&service).await;
        let client = ProbeClient::new(session.rpc());
        let items = session.stream(async move { client.count_to(1000).await }).await.unwrap();
        let items: Vec<u32> = items.map(Result::unwrap).collect().await;
        assert!(items.into_iter().eq(0..1000));
    }

    async fn a_dropped_stream_stops_its_producer(setup) {
        let service = setup.serve();
        let session = setup.client(&service).await;
        let client = ProbeClient::new(session.rpc());
        let items = session.stream(async move { client.count().await }).await.unwrap();
        let mut items = Box::pin(items);
        assert_eq!(items.next().await.unwrap().unwrap(), 0);
        drop(items);
        service.state.streams_dropped.notified().await;
        service.state.connections()[0].closed().cancelled().await;
    }

    async fn a_stream_that_nobody_reads_blocks_no_call(setup) {
        let service = setup.serve();
        let session = setup.client(&service).await;
        let client = ProbeClient::new(session.rpc());
        let items = session.stream(async move { client.count().await }).await.unwrap();
        let mut items = Box::pin(items);
        assert!(items.next().await.is_some());
        // Calls have sessions of their own: a stream takes the whole of its one.
        let other = setup.client(&service).await;
        for _ in 0..100 {
            assert_works(&other).await;
        }
        assert!(service.state.counted.load(Ordering::SeqCst) > 0);
        assert!(items.next().await.unwrap().is_ok());
    }

    async fn a_stream_ends_with_an_error_when_the_service_dies(setup) {
        let service = setup.serve();
        let session = setup.client(&service).await;
        let client = ProbeClient::new(session.rpc());
        let items = session.stream(async move { client.count().await }).await.unwrap();
        let mut items = Box::pin(items);
        assert!(items.next().await.is_some());
        service.kill();
        let last = loop {
            match items.next().await {
                Some(Ok(_)) => {}
                last => break last,
            }
        };
        assert!(matches!(last, Some(Err(CallError::Unavailable { .. }))), "{last:?}");
        assert!(items.next().await.is_none());
    }

    async fn a_stream_from_a_service_that_is_gone_is_an_error(setup) {
        let service = setup.serve();
        let session = setup.client(&service).await;
        service.kill();
        session.closed().await;
        let client = ProbeClient::new(session.rpc());
        let refused = session.stream(async move { client.count().await }).await.err();
        assert!(matches!(refused, Some(CallError::Unavailable { .. })), "{refused:?}");
    }
}
