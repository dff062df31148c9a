"""Makes candidate models of versioned data, compares them, and says which is the best."""
