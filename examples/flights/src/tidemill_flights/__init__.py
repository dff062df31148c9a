"""Late arrivals of the flights that left New York in 2013: records to replay, and the training code of the pipeline."""
