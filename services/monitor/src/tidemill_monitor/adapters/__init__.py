"""The monitor's side of faust and Kafka."""
