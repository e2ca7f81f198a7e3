//! The AWS deployment, end to end: the Lambda binaries as they ship, against moto in place of AWS.

mod batches;
mod bench;
mod bench_lambda;
mod compile;
mod direct;
mod expiry;
mod faults;
mod faults_changing;
mod faults_failing;
mod faults_told;
mod flow;
mod full_bus;
mod hosts;
mod janitor;
mod kills;
mod kinds;
mod letters;
mod life;
mod races;
mod retries;
pub mod scene;
mod secrets;
mod shapes;
mod traces;
mod undo;
mod verify;
mod versions;
