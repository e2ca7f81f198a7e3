//! Postdate on AWS.
