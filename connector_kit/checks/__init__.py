"""The conformance kit: what every source over HTTP has to do, tried against a system whose responses are faulty."""
