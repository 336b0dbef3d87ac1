"""What is learned from: tasks, their data sources, and streams of them.

config      StreamConfig, TaskConfig, read_stream: the stream file
sources/    where data come from, by name (folder:, npz:, sklearn:, torchvision:, ...)
task        open_task, open_test, load_batch: splits of a task; learning code never holds test images
experience  open_experience: what online learning may see of a stream, once; orders says in which order
live        sources that give batches one after another, looked at as they come
splitting   seeded, stratified choices that depend on content only
images      any image file to 8-bit RGB, safely
views       augmented views by address; rand_augment adds RandAugment's operations
stamps      whether a task's files are still those that were read, without opening them
check       what a person should know about a task's data
"""
