"""The daemon behind the gate socket."""
