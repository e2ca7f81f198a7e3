//! The AWS deployment, end to end: the Lambdas as they ship, with moto as AWS.

mod bench;
mod bench_lambda;
mod direct;
mod faults;
mod faults_told;
mod hosts;
mod janitor;
mod kills;
mod kinds;
mod life;
mod races;
mod retries;
mod scene;
mod secrets;
mod shapes;
mod undo;
