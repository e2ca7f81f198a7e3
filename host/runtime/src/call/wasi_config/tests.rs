use super::*;

#[test]
fn missing_config_keys_are_recorded_up_to_a_bound() {
    let mut config = WasiConfig::new(PluginConfig::default());
    for key in ["a", "a", &"b".repeat(1000)] {
        assert_eq!(config.get(key), None);
    }
    for n in 0..100 {
        config.get(&n.to_string());
    }
    let missed = &config.missed;
    assert_eq!((missed.len(), missed[0].as_str(), missed[1].len()), (MAX_MISSED, "a", MAX_KEY_CHARS));
}
