//! A seed is all there is: two runs of it are the same, byte for byte.

use raft_tests::world::model::run;

#[test]
fn five_seeds_give_the_same_trace_twice() {
    for seed in 11..16 {
        let (one, other) = (run(seed), run(seed));
        assert!(one.trace.lines().count() > 50, "seed {seed} shows nothing");
        let differs = one
            .trace
            .lines()
            .zip(other.trace.lines())
            .find(|(a, b)| a != b);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(one.trace, other.trace, "seed {seed}");
    }
}
