//! `PUT /use-cases/{name}`: uploads of bundles as tar archives.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use chrono::Utc;
use http::{StatusCode, header};
use http_body_util::BodyExt as _;
use postdate_core::access::{Caller, Scope};
use postdate_core::api::{ApiError, Code};
use postdate_core::audit;
use postdate_core::use_case::{NAME_RULE, is_use_case_name};
use postdate_store::Moved;
use postdate_store::tarball::{self, MAX_ARCHIVE_BYTES, TarballError, Unpacked};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::connections::Link;
use super::{App, ConnectionLimits, body_cut_off, body_timeout, closing};
use crate::catalog::UploadError;

/// The content type of an upload, for an error.
pub const TAR: &str = "\"content-type: application/x-tar\"";

pub fn is_tar(essence: &str) -> bool {
    ["application/x-tar", "application/tar"].contains(&essence)
}

/// `Retry-After` of an upload that found the queue full: about the time of one that compiles a plugin with an interpreter.
const QUEUE_RETRY_SECONDS: &str = "30";

/// Fails if the caller may not upload this use case: with 403, also on a server without keys, with 404 for a malformed name, and with 503
/// while the queue is full. Returns the place in the queue, which is taken before the body, since a body takes disk.
pub fn enter(app: &App, caller: &Caller, name: &str) -> Result<OwnedSemaphorePermit, ApiError> {
    if !app.auth.has_keys() {
        // A manifest can grant its plugins any secret of the server, so not everybody who reaches the port may upload one.
        let detail = "uploads need an API key: start the server with --keys-file or POSTDATE_API_KEY, or copy the bundle to its directory of use cases";
        return Err(ApiError::new(StatusCode::FORBIDDEN, Code::UploadsNeedAKey, detail));
    }
    caller.require(Scope::Deploy)?;
    if !is_use_case_name(name) {
        let detail = format!("{name:?} is not the name of a use case: {NAME_RULE}");
        return Err(ApiError::new(StatusCode::NOT_FOUND, Code::UnknownUseCase, detail));
    }
    caller.require_use_case(name)?;
    // An archive and its machine code would take what the disk has left for accepted requests.
    if let Some(refusal) = app.api.ledger.refusal() {
        return Err(refusal.into());
    }
    app.api.use_cases.queue_upload().ok_or_else(queue_full)
}

/// Receives and loads the bundle. Returns the version that serves now, and the one before.
pub async fn put(
    app: &App,
    caller: &Caller,
    name: &str,
    body: Body,
    link: &Arc<Link>,
    _place: OwnedSemaphorePermit,
) -> Result<Moved, ApiError> {
    let received = timeout(app.limits.upload, receive(body, &app.scratch, app.limits, link));
    let archive = received.await.map_err(|_| upload_timeout(app.limits))??;
    let _work = link.work();
    let begun = app.api.use_cases.begin_upload(name).await.map_err(|error| fault(&error))?;
    let upload = tokio::task::spawn_blocking(move || tarball::read(std::io::BufReader::new(archive)));
    let upload = upload.await.map_err(|error| internal(&error))?.map_err(|error| refused(&error))?;
    let files = upload.source.files.len();
    let Unpacked { source, statement } = upload;
    tracing::info!(use_case = name, files, signed = statement.is_some(), "bundle received; checking it");
    let moved = app.api.use_cases.upload(name, begun, Unpacked { source, statement }, Utc::now()).await.map_err(|error| fault(&error))?;
    audit::version("pushed", caller.name.as_deref(), name, &moved.to, moved.from.as_deref());
    Ok(moved)
}

/// Writes the body to an unnamed file, because an archive may be too large for memory.
async fn receive(mut body: Body, scratch: &Path, limits: ConnectionLimits, link: &Link) -> Result<File, ApiError> {
    let mut file = tempfile::tempfile_in(scratch).map_err(|error| internal(&error))?;
    let mut received: u64 = 0;
    while let Some(frame) = timeout(limits.body, body.frame()).await.map_err(|_| body_timeout(limits))? {
        let Ok(data) = frame.map_err(|error| body_cut_off(&error))?.into_data() else { continue };
        link.wait();
        received += data.len() as u64;
        if received > MAX_ARCHIVE_BYTES {
            let detail = format!("an archive may have at most {MAX_ARCHIVE_BYTES} bytes");
            return Err(closing(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, detail)));
        }
        // Writes to the page cache, so it needs no blocking task.
        file.write_all(&data).map_err(|error| internal(&error))?;
    }
    file.rewind().map_err(|error| internal(&error))?;
    Ok(file)
}

fn upload_timeout(limits: ConnectionLimits) -> ApiError {
    let detail = format!("the archive did not arrive within {:?}: send it again, on a faster connection", limits.upload);
    closing(ApiError::new(StatusCode::REQUEST_TIMEOUT, Code::BodyTimeout, detail))
}

pub fn queue_full() -> ApiError {
    let detail = "as many uploads as the server takes are being checked: send this one again later";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, Code::UploadsBusy, detail).with_header(header::RETRY_AFTER, QUEUE_RETRY_SECONDS)
}

fn refused(error: &TarballError) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Code::BundleRefused, error.to_string())
}

fn internal(error: &dyn std::error::Error) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::UploadFailed, format!("the upload could not be received: {error}"))
}

pub fn fault(error: &UploadError) -> ApiError {
    let (status, code) = match error {
        UploadError::Elsewhere { .. } => (StatusCode::CONFLICT, Code::ServedFromDirectory),
        UploadError::Moved(_) => (StatusCode::CONFLICT, Code::UseCaseMoved),
        UploadError::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, Code::BundleRefused),
        UploadError::TooMany { .. } => (StatusCode::INSUFFICIENT_STORAGE, Code::TooManyUseCases),
        UploadError::Full { .. } => (StatusCode::INSUFFICIENT_STORAGE, Code::StoreFull),
        UploadError::CodeFull { .. } => (StatusCode::INSUFFICIENT_STORAGE, Code::CodeFull),
        UploadError::Secret(_) => (StatusCode::UNPROCESSABLE_ENTITY, Code::SecretMissing),
        UploadError::Signature(_) => (StatusCode::FORBIDDEN, Code::SignatureRefused),
        UploadError::NotNow(_) => (StatusCode::SERVICE_UNAVAILABLE, Code::UploadFailed),
        UploadError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, Code::StoreUnavailable),
    };
    ApiError::new(status, code, error.to_string())
}
