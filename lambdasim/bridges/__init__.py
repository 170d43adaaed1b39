"""Ways into a simulation for programs that know nothing of it. Each needs an extra of its own."""
