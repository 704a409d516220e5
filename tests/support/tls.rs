//! Servers over TLS. The certificates are good for 100 years, for `localhost` and 127.0.0.1.

use std::sync::Arc;

use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// A server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Signed by [`Certificate::ROOT`].
    Trusted,
    /// Signed by nobody.
    Untrusted,
}

impl Certificate {
    /// The certificate that a client is to trust, as PEM: the file that `SSL_CERT_FILE` names.
    pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/support/certificates/root.pem");

    /// The configuration of a server that offers these protocols.
    pub fn config(self, protocols: &[&str]) -> ServerConfig {
        let (certificate, key) = match self {
            Self::Trusted => (
                include_bytes!("certificates/server.cert.der").to_vec(),
                include_bytes!("certificates/server.key.der").to_vec(),
            ),
            Self::Untrusted => (
                include_bytes!("certificates/untrusted.cert.der").to_vec(),
                include_bytes!("certificates/untrusted.key.der").to_vec(),
            ),
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_no_client_auth();
        let mut config = config
            .with_single_cert(vec![certificate.into()], PrivateKeyDer::Pkcs8(key.into()))
            .expect("certificate and key");
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config
    }

    pub(crate) fn acceptor(self, protocols: &[&str]) -> TlsAcceptor {
        TlsAcceptor::from(Arc::new(self.config(protocols)))
    }
}
