"""gateway.yaml and the policy files: parse, report every fault, then hand over immutable snapshots. Opens nothing."""
