//! Replaces the compiler in a host that is built without Cranelift. Such a host loads only precompiled bundles.

use std::path::Path;

use bytes::Bytes;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::error::CompileError;
use super::progress::{Progress, Subject};
use super::settings::{CompileWith, Need};
use crate::engine::config::Metering;

pub struct Compiler;

#[derive(Debug, thiserror::Error)]
#[error("this host is built without a compiler, so it has no compile cache")]
pub struct CacheError;

impl Compiler {
    /// Fails if a cache is configured.
    pub fn new(_: &Engine, _: Metering, _: CompileWith, _: Progress, cache: Option<(&Path, u64)>) -> Result<Self, CacheError> {
        if cache.is_some() { Err(CacheError) } else { Ok(Self) }
    }

    /// Always fails.
    pub async fn component(&self, _: Subject<'_>, _: &Bytes, _: Need) -> Result<Component, CompileError> {
        std::future::ready(Err(CompileError::NoCompiler)).await
    }
}
