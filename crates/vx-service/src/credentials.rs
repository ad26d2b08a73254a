//! What a process of a home proves about itself, whether it is a service or a client.

use vx_home::VxHome;
use vx_proto::{ErrorKind, WireError};
use vx_transport::{Credentials, Token, TokenError};

use crate::build_version;

/// What this process and the services of the home prove to each other. Creates the token if it is missing.
pub(crate) fn credentials(home: &VxHome) -> Result<Credentials, WireError> {
    let token = Token::load_or_create(&home.token()).map_err(|error| {
        let wire = WireError::from_error(ErrorKind::Machine, &error);
        match error {
            TokenError::Exposed { .. } | TokenError::Malformed { .. } => {
                wire.with_help("remove the file; vx creates a new one")
            }
            _ => wire,
        }
    })?;
    Ok(Credentials {
        token,
        build_version: build_version(),
        protocol: vx_proto::PROTOCOL,
    })
}
