//! What a peer may cost: frames, requests, connections.

use rapace::ErrorCode;
use vx_transport::{CallError, ConnectError, Limits, Session};

use crate::support::{ProbeClient, SOON, Setup, assert_works, over_both};

over_both! {
    async fn requests_over_the_limit_are_refused_and_the_others_answered(setup) {
        let mut setup = setup;
        setup.limits.requests = 4;
        let service = setup.serve();
        // A client that does not keep to the limit.
        let generous = Limits { requests: 1000, ..setup.limits.clone() };
        let session = Session::connect(&service.endpoint, &setup.credentials, &generous).await.unwrap();
        let call = || {
            let client = ProbeClient::new(session.rpc());
            session.call(SOON, async move { client.meet(5).await })
        };
        let four = futures::future::join_all((0..4).map(|_| call()));
        let further = async {
            service.state.until_waiting(4).await;
            for _ in 0..3 {
                let refused = call().await.unwrap_err();
                assert!(
                    matches!(refused, CallError::Protocol { code: ErrorCode::ResourceExhausted, .. }),
                    "{refused}"
                );
            }
            // The limit is each connection's own.
            let other = setup.client(&service).await;
            let client = ProbeClient::new(other.rpc());
            assert_eq!(other.call(SOON, async move { client.meet(5).await }).await.unwrap(), 5);
        };
        let (answers, ()) = tokio::join!(four, further);
        answers.into_iter().for_each(|answer| assert_eq!(answer.unwrap(), 5));
        assert_works(&session).await;
    }

    async fn a_client_lets_its_calls_wait_for_their_turn(setup) {
        let mut setup = setup;
        setup.limits.requests = 4;
        let service = setup.serve();
        let session = setup.client(&service).await;
        let calls = (0..100).map(|number| {
            let client = ProbeClient::new(session.rpc());
            session.call(SOON, async move { client.echo(vec![number]).await })
        });
        for (number, answer) in (0..).zip(futures::future::join_all(calls).await) {
            assert_eq!(answer.unwrap(), [number]);
        }
    }

    async fn connections_over_the_limit_are_told_so_until_one_is_free(setup) {
        let mut setup = setup;
        setup.limits.connections = 2;
        let service = setup.serve();
        let first = setup.client(&service).await;
        let second = setup.client(&service).await;
        let refused = setup.connect(&service.endpoint).await.unwrap_err();
        assert!(matches!(refused, ConnectError::Busy { .. }), "{refused}");
        assert_works(&first).await;
        drop(second);
        let third = loop {
            match setup.connect(&service.endpoint).await {
                Ok(session) => break session,
                Err(ConnectError::Busy { .. }) => tokio::task::yield_now().await,
                Err(other) => panic!("{other}"),
            }
        };
        assert_works(&third).await;
    }

    async fn what_is_too_large_to_send_is_an_error_of_one_call(setup) {
        let mut setup = setup;
        setup.limits.frame = 1 << 20;
        let service = setup.serve();
        let session = setup.client(&service).await;
        let client = ProbeClient::new(session.rpc());
        let question = session.call(SOON, async move { client.echo(vec![0; 2 << 20]).await }).await;
        assert!(question.is_err());
        assert_works(&session).await;

        let client = ProbeClient::new(session.rpc());
        let answer = session.call(SOON, async move { client.zeros(2 << 20).await }).await.unwrap_err();
        assert!(matches!(answer, CallError::Protocol { code: ErrorCode::OutOfRange, .. }), "{answer}");
        assert_works(&session).await;
    }
}
