"""The programme: the retailer's rules as one versioned document."""
