"""Speed and memory of any loss on this hardware beside other libraries: `jaxloss bench`."""
