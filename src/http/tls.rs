//! Which servers are believed over TLS.
//!
//! Owns: the machine's own roots, and more where a user names a CA file. Must not: switch verification off.

use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::Verifier;

/// The trust of a client. Cheap to clone; the roots are read with the first `https` request.
#[derive(Clone, Debug, Default)]
pub struct Tls(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    extra: Vec<CertificateDer<'static>>,
    built: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Tls {
    /// What this machine believes.
    pub fn platform() -> Self {
        Self::default()
    }

    /// What this machine believes, and the certificates of a PEM file.
    ///
    /// # Errors
    /// When there is no certificate in `pem`, or one that cannot be read.
    pub fn with_ca(pem: &[u8]) -> Result<Self, String> {
        let extra: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("the CA file cannot be read: {error}"))?;
        if extra.is_empty() {
            return Err("the CA file has no certificate (PEM)".to_owned());
        }
        let built = OnceLock::new();
        Ok(Self(Arc::new(Inner { extra, built })))
    }

    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, String> {
        self.0
            .built
            .get_or_init(|| self.build().map_err(|error| error.to_string()))
            .clone()
    }

    fn build(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier::new_with_extra_roots(self.0.extra.iter().cloned(), Arc::clone(&provider))?;
        // "dangerous" is rustls' word for any verifier that is not its own; this one is the machine's.
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}
