"""What the rules share, a room for each phase of the flow, and the engine that they all run on."""
