//! TLS of outgoing requests: the certificate authorities of the platform, and those that the operator adds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls_platform_verifier::Verifier;

/// A certificate authority, in DER.
pub type Authority = CertificateDer<'static>;

/// A file of certificate authorities is not usable.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    #[error("the file of certificate authorities {} is not usable: {error}", path.display())]
    Pem { path: PathBuf, error: PemError },
    #[error("the file of certificate authorities {} has no certificate: it must have lines -----BEGIN CERTIFICATE-----", .0.display())]
    Empty(PathBuf),
    #[error("the file of certificate authorities {} has a certificate that is not usable: {error}", path.display())]
    Certificate { path: PathBuf, error: rustls::Error },
}

/// Reads the certificates of PEM files. Fails if a file has none, or one that is no certificate.
pub fn read_authorities(paths: &[PathBuf]) -> Result<Vec<Authority>, AuthoritiesError> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(read(path)?);
    }
    Ok(all)
}

fn read(path: &Path) -> Result<Vec<Authority>, AuthoritiesError> {
    let pem = |error| AuthoritiesError::Pem { path: path.to_owned(), error };
    let found = Authority::pem_file_iter(path).map_err(pem)?.collect::<Result<Vec<_>, _>>().map_err(pem)?;
    if found.is_empty() {
        return Err(AuthoritiesError::Empty(path.to_owned()));
    }
    let mut roots = rustls::RootCertStore::empty();
    for authority in &found {
        roots.add(authority.clone()).map_err(|error| AuthoritiesError::Certificate { path: path.to_owned(), error })?;
    }
    Ok(found)
}

/// Returns the settings of every TLS connection of a host.
pub fn config(authorities: Vec<Authority>) -> Result<Arc<ClientConfig>, rustls::Error> {
    // A library must not choose the process's default provider, so the provider is set here.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new_with_extra_roots(authorities, Arc::clone(&provider))?;
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
