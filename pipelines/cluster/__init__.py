"""What talks to a Kubeflow Pipelines cluster: submit, watch, runs, schedules."""
