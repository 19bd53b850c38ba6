"""The server: joins the capabilities, stores what they make, and exposes it over HTTP."""
