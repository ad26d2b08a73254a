//! Who is let in, and what everybody else learns.

use std::time::Duration;

use vx_transport::{ConnectError, Credentials, Limits, Session};

use crate::support::{Raw, RawListener, SOON, Setup, assert_works, hello, over_both, proof};

over_both! {
    async fn peers_of_one_home_learn_each_others_build(setup) {
        let service = setup.serve();
        let other_build = Credentials { build_version: "2.0.0\u{1b}[31m".to_owned(), ..setup.credentials.clone() };
        let session = Session::connect(&service.endpoint, &other_build, &setup.limits).await.unwrap();
        assert_eq!(session.peer_version(), "1.0.0+test");
        assert_works(&session).await;
        // What would command a terminal does not arrive.
        assert_eq!(service.state.connections()[0].peer_version(), "2.0.0?[31m");
    }

    async fn another_home_is_told_apart(setup) {
        let service = setup.serve();
        let bystander = setup.client(&service).await;
        let refused = Session::connect(&service.endpoint, &setup.foreign(), &setup.limits).await.unwrap_err();
        assert!(matches!(refused, ConnectError::Foreign { .. }), "{refused}");
        assert_works(&bystander).await;
        assert_eq!(service.state.connections().len(), 1);
    }

    async fn another_protocol_is_told_with_the_build_that_speaks_it(setup) {
        let service = setup.serve();
        let later = Credentials { protocol: 8, ..setup.credentials.clone() };
        let refused = Session::connect(&service.endpoint, &later, &setup.limits).await.unwrap_err();
        let ConnectError::OtherProtocol { peer_version, peer_protocol, protocol, .. } = &refused else {
            panic!("{refused}");
        };
        assert_eq!((peer_version.as_str(), *peer_protocol, *protocol), ("1.0.0+test", 7, 8));
        assert!(service.state.connections().is_empty());
    }

    async fn who_does_not_know_the_token_gets_no_further(setup) {
        let service = setup.serve();
        let bystander = setup.client(&service).await;
        let question = hello(1, setup.credentials.protocol, "raw");
        let endpoint = &service.endpoint;

        let mut guessing = Raw::connect(endpoint).await;
        guessing.send(&question).await;
        let answer = guessing.take_hello().await;
        let theirs = guessing.take(32).await;
        guessing.send(&[0; 32]).await;
        assert!(guessing.take_all().await.is_empty());

        // The service's own proof, sent back.
        let mut reflecting = Raw::connect(endpoint).await;
        reflecting.send(&question).await;
        reflecting.take_hello().await;
        let own = reflecting.take(32).await;
        reflecting.send(&own).await;
        assert!(reflecting.take_all().await.is_empty());

        // All that a good client said, said again.
        let good = proof(&setup.secret(), "client", &question, &answer, guessing.address());
        let mut replaying = Raw::connect(endpoint).await;
        replaying.send(&question).await;
        assert_ne!(replaying.take_hello().await, answer, "the nonce is the same");
        assert_ne!(replaying.take(32).await, theirs);
        replaying.send(&good).await;
        assert!(replaying.take_all().await.is_empty());

        assert_eq!(service.state.connections().len(), 1);
        assert_works(&bystander).await;
    }

    async fn a_proof_for_another_place_is_worth_nothing(setup) {
        let service = setup.serve();
        let mut raw = Raw::connect(&service.endpoint).await;
        let question = hello(1, setup.credentials.protocol, "raw");
        raw.send(&question).await;
        let answer = raw.take_hello().await;
        raw.take(32).await;
        raw.send(&proof(&setup.secret(), "client", &question, &answer, "127.0.0.1:1")).await;
        assert!(raw.take_all().await.is_empty());
    }

    async fn a_client_gives_nothing_to_who_took_over_the_endpoint(setup) {
        let listener = RawListener::bind(&setup.endpoint()).await;
        let endpoint = listener.endpoint();
        let stranger = async {
            let mut peer = listener.accept().await;
            peer.take_hello().await;
            peer.send(&hello(2, setup.credentials.protocol, "raw")).await;
            peer.send(&[0; 32]).await;
            peer.take_all().await
        };
        let (refused, learned) = tokio::join!(setup.connect(&endpoint), stranger);
        assert!(matches!(refused, Err(ConnectError::Foreign { .. })), "{refused:?}");
        assert!(learned.is_empty(), "{learned:?}");
    }

    async fn a_client_knows_what_is_not_vx(setup) {
        let listener = RawListener::bind(&setup.endpoint()).await;
        let endpoint = listener.endpoint();
        let stranger = async {
            let mut peer = listener.accept().await;
            peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            peer
        };
        let (refused, _peer) = tokio::join!(setup.connect(&endpoint), stranger);
        assert!(matches!(refused, Err(ConnectError::NotVx { .. })), "{refused:?}");
    }

    async fn a_client_does_not_wait_for_the_silent(setup) {
        let listener = RawListener::bind(&setup.endpoint()).await;
        let endpoint = listener.endpoint();
        let limits = Limits { handshake: Duration::from_millis(50), ..setup.limits.clone() };
        let (refused, _peer) =
            tokio::join!(Session::connect(&endpoint, &setup.credentials, &limits), listener.accept());
        assert!(matches!(refused, Err(ConnectError::Silent { .. })), "{refused:?}");
    }

    async fn strangers_who_say_nothing_keep_nobody_out(setup) {
        let mut setup = setup;
        setup.limits.connections = 4;
        let service = setup.serve();
        let mut silent = Vec::new();
        for _ in 0..20 {
            silent.push(Raw::connect(&service.endpoint).await);
        }
        let session = setup.client(&service).await;
        assert_works(&session).await;
        // The first ones were given up for later ones, long before their time was over.
        assert!(silent[0].take_all().await.is_empty());
        assert!(setup.limits.handshake >= SOON);
    }
}
