"""RPM-Distill: a radar teaches a face-video network, and a policy decides what to believe, clip by clip."""
