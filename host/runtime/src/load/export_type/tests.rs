use super::*;
use crate::testing::guest;

#[test]
fn guests_built_against_the_contract_have_its_types() {
    let engine = Engine::new(&crate::engine_config(crate::Allocation::OnDemand, crate::Metering::Off)).unwrap();
    for (name, roles) in [("minimal-validate", vec![Role::Validate]), ("minimal-process", vec![Role::Process])] {
        let component = Component::from_binary(&engine, &guest(name)).unwrap();
        for role in roles {
            check(&engine, &component, role).unwrap();
            assert!(find(&engine, &component, role).is_some(), "{name}");
        }
    }
}
