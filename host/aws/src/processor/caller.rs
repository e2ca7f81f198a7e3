//! Caller of a call, from the claims of the authorizer.

use http::StatusCode;
use postdate_core::access::{Caller, Scope};
use postdate_core::api::{ApiError, Code};

use crate::config::CallerClaims;

/// Prefix of a scope in a claim, as in `postdate:submit`.
const PREFIX: &str = "postdate:";
/// Limit of an owner's name, in bytes. The name is part of an item's key in the table.
const MAX_NAME: usize = 256;

impl CallerClaims {
    /// Returns the caller with these claims. Without configured claims, it may do everything. A caller that is named sees its own
    /// requests only, unless a claim gives it the scope `operate`. Fails if the claim of the owner is missing or not usable.
    pub fn caller(&self, claims: &[(String, String)]) -> Result<Caller, ApiError> {
        let claim = |name: &str| claims.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let name = self.owner.as_ref().map(|claim_name| {
            let is_usable = |name: &&str| (1..=MAX_NAME).contains(&name.len()) && !name.contains(char::is_control);
            claim(claim_name).filter(is_usable).map(str::to_owned).ok_or_else(|| unnamed(claim_name))
        });
        let name = name.transpose()?;
        let scopes = match &self.scopes {
            Some(claim_name) => scopes_of(claim(claim_name).unwrap_or_default()),
            // A name alone separates owners from each other, so none of them sees the others' requests.
            None => Scope::ALL.into_iter().filter(|scope| name.is_none() || *scope != Scope::Operate).collect(),
        };
        Ok(Caller { own_only: name.is_some(), key_space: name.clone(), name, scopes, use_cases: None })
    }
}

/// Returns the scopes of a claim: separated by spaces, or an array. API Gateway writes an array as JSON or as `[a b]`. Ignores the scopes
/// of other services.
fn scopes_of(claim: &str) -> std::collections::BTreeSet<Scope> {
    let words = claim.split(|c: char| c.is_whitespace() || "[],\"".contains(c));
    words.filter_map(|word| word.strip_prefix(PREFIX)?.parse().ok()).collect()
}

fn unnamed(claim: &str) -> ApiError {
    let detail = format!("the authorizer gives no usable claim {claim:?}, which names the owner of requests here: 1 to {MAX_NAME} bytes");
    ApiError::new(StatusCode::FORBIDDEN, Code::OwnerUnknown, detail)
}

#[cfg(test)]
mod tests;
