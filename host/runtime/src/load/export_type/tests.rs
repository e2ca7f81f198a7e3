use super::*;
use crate::testing::guest;

#[test]
fn what_the_contract_makes_is_what_it_says() {
    let engine = Engine::new(&crate::engine_config(crate::Allocation::OnDemand, crate::Metering::Off)).unwrap();
    for (name, roles) in [("minimal-validate", vec![Role::Validate]), ("minimal-process", vec![Role::Process])] {
        let component = Component::from_binary(&engine, &guest(name)).unwrap();
        for role in roles {
            check(&engine, &component, role).unwrap();
            assert!(find(&engine, &component, role).is_some(), "{name}");
        }
    }
}
